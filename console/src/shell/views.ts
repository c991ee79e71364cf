import type { ComponentType } from 'preact';
import type { Role } from '../core/api';
import type { Route } from '../core/router';
import type { IconName } from '../parts/icons';
import type { ViewProps } from '../views/props';

export type View = Exclude<Route['view'], 'not-found'>;

/** Each view is a file of its own, fetched when it is first opened. */
export const views: Record<
  View,
  { load: () => Promise<ComponentType<ViewProps>>; roles: readonly Role[] }
> = {
  modules: {
    load: () => import('../views/modules').then((m) => m.Modules),
    roles: ['viewer', 'admin'],
  },
  module: {
    load: () => import('../views/module').then((m) => m.Module),
    roles: ['viewer', 'admin'],
  },
  student: {
    load: () => import('../views/student').then((m) => m.Student),
    roles: ['viewer', 'admin'],
  },
  live: { load: () => import('../views/live').then((m) => m.Live), roles: ['viewer', 'admin'] },
  completions: {
    load: () => import('../views/completions').then((m) => m.Completions),
    roles: ['viewer', 'admin'],
  },
  machine: { load: () => import('../views/machine').then((m) => m.Machine), roles: ['operator'] },
};

/** The entries of the menu; each has an icon of its own name. */
export const menu = [
  'modules',
  'live',
  'completions',
  'machine',
] as const satisfies readonly (View & IconName)[];

export const mayOpen = (role: Role, view: Route['view']): boolean =>
  view === 'not-found' || views[view].roles.includes(role);
