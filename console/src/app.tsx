import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Role } from './core/api';
import { go, usePlace } from './core/place';
import { pathOf, type Route } from './core/router';
import { resume, session, signOut } from './core/session';
import { useStore } from './core/store';
import { chooseTheme, type Theme, theme } from './core/theme';
import { Choice } from './parts/controls';
import { Icon, type IconName } from './parts/icons';
import { Loading, Notice, ToModules } from './parts/states';
import { t } from './text/en';
import { ExpiredSignIn, SignIn } from './views/sign-in';

type View = Exclude<Route['view'], 'not-found'>;
export interface ViewProps {
  /** The id in the address, where the view has one. */
  id: string;
  search: URLSearchParams;
}

/** Each view is a file of its own, fetched when it is first opened. */
const views: Record<
  View,
  { load: () => Promise<ComponentType<ViewProps>>; roles: readonly Role[] }
> = {
  modules: {
    load: () => import('./views/modules').then((m) => m.Modules),
    roles: ['viewer', 'admin'],
  },
  module: {
    load: () => import('./views/module').then((m) => m.Module),
    roles: ['viewer', 'admin'],
  },
  student: {
    load: () => import('./views/student').then((m) => m.Student),
    roles: ['viewer', 'admin'],
  },
  live: { load: () => import('./views/live').then((m) => m.Live), roles: ['viewer', 'admin'] },
  completions: {
    load: () => import('./views/completions').then((m) => m.Completions),
    roles: ['viewer', 'admin'],
  },
  machine: { load: () => import('./views/machine').then((m) => m.Machine), roles: ['operator'] },
};

const navigation: readonly {
  view: 'modules' | 'live' | 'completions' | 'machine';
  icon: IconName;
}[] = [
  { view: 'modules', icon: 'modules' },
  { view: 'live', icon: 'live' },
  { view: 'completions', icon: 'completions' },
  { view: 'machine', icon: 'machine' },
];

function useView(view: View): ComponentType<ViewProps> | 'failed' | undefined {
  const [loaded, setLoaded] = useState<{
    view: View;
    component: ComponentType<ViewProps> | 'failed';
  }>();
  useEffect(() => {
    let gone = false;
    views[view].load().then(
      (component) => !gone && setLoaded({ view, component }),
      // Another version was deployed, or the gateway is away: loading the page anew helps.
      () => !gone && setLoaded({ view, component: 'failed' }),
    );
    return () => {
      gone = true;
    };
  }, [view]);
  return loaded?.view === view ? loaded.component : undefined;
}

function Opened({
  route,
  search,
}: {
  route: Exclude<Route, { view: 'not-found' }>;
  search: URLSearchParams;
}) {
  const component = useView(route.view);
  const id = route.view === 'module' ? route.module : route.view === 'student' ? route.student : '';
  if (component === undefined) return <Loading />;
  if (component === 'failed')
    return (
      <Notice
        page
        icon="away"
        title={t.state.unreachableTitle}
        action={
          <button type="button" class="button" onClick={() => location.reload()}>
            {t.state.retry}
          </button>
        }
      >
        {t.state.unreachable}
      </Notice>
    );
  const View = component;
  return <View key={`${route.view} ${id}`} id={id} search={search} />;
}

function ThemeChoice() {
  const chosen = useStore(theme);
  const options: { value: Theme; icon: IconName }[] = [
    { value: 'system', icon: 'system' },
    { value: 'light', icon: 'sun' },
    { value: 'dark', icon: 'moon' },
  ];
  return (
    <Choice
      label={t.theme.label}
      value={chosen}
      onChange={chooseTheme}
      options={options.map(({ value, icon }) => ({
        value,
        text: <Icon name={icon} size={16} />,
        title: t.theme[value],
      }))}
    />
  );
}

export function Brand() {
  return (
    <span class="brand">
      <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="8" class="brand-tile" />
        <g class="brand-bars">
          <rect x="6" y="9" width="20" height="4" rx="1.5" opacity=".35" />
          <rect x="6" y="9" width="13" height="4" rx="1.5" />
          <rect x="6" y="16" width="20" height="4" rx="1.5" opacity=".35" />
          <rect x="6" y="16" width="7" height="4" rx="1.5" />
          <rect x="17" y="16" width="9" height="4" rx="1.5" />
          <rect x="6" y="23" width="20" height="2" rx="1" opacity=".35" />
        </g>
      </svg>
      <span>{t.product}</span>
    </span>
  );
}

export function App() {
  const now = useStore(session);
  const { route, search, path } = usePlace();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    // A new view is announced by its title; the focus follows, so that Tab goes on inside it.
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [path]);
  const who = now.phase === 'in' ? now.who : now.phase === 'expired' ? now.was : undefined;
  const role = who?.role;
  // An operator has no modules: their first view is the machine.
  useEffect(() => {
    if (role === 'operator' && route.view === 'modules' && now.phase === 'in')
      go(pathOf({ view: 'machine' }));
  }, [role, route.view, now.phase]);

  if (now.phase === 'asking') return <Loading />;
  if (now.phase === 'unreachable')
    return (
      <main class="alone">
        <Notice
          page
          icon="away"
          title={t.state.unreachableTitle}
          action={
            <button type="button" class="button" onClick={() => void resume()}>
              {t.state.retry}
            </button>
          }
        >
          {t.state.unreachable}
        </Notice>
      </main>
    );
  if (!who) return <SignIn signedOut={now.phase === 'out' && now.why === 'signed-out'} />;
  const allowed = route.view === 'not-found' || views[route.view].roles.includes(who.role);
  const active = route.view === 'module' || route.view === 'student' ? 'modules' : route.view;
  return (
    <div class="shell">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t.skipToContent}
      </a>
      <header class="side">
        <Brand />
        <nav aria-label={t.nav.label}>
          {navigation
            .filter(({ view }) => views[view].roles.includes(who.role))
            .map(({ view, icon }) => (
              <a
                key={view}
                href={pathOf({ view })}
                aria-current={active === view ? 'page' : undefined}
              >
                <Icon name={icon} size={20} />
                <span>{t.nav[view]}</span>
              </a>
            ))}
        </nav>
        <div class="side-foot">
          <ThemeChoice />
          <div class="who">
            <span>
              <b>{who.name}</b>
              <small>{t.role[who.role]}</small>
            </span>
            <button
              type="button"
              class="icon-button"
              aria-label={t.signIn.out}
              title={t.signIn.out}
              onClick={() => void signOut().catch(() => resume())}
            >
              <Icon name="out" />
            </button>
          </div>
        </div>
      </header>
      <main
        id="content"
        ref={main}
        tabIndex={-1}
        class={now.phase === 'expired' ? 'content hidden-content' : 'content'}
      >
        {!allowed ? (
          <Notice page icon="lock" title={t.state.forbiddenTitle}>
            {t.state.forbidden(t.role[who.role])}
          </Notice>
        ) : route.view === 'not-found' ? (
          <Notice page icon="empty" title={t.state.notFoundTitle} action={<ToModules />}>
            {t.state.notFound}
          </Notice>
        ) : (
          <Opened route={route} search={search} />
        )}
      </main>
      {now.phase === 'expired' && <ExpiredSignIn was={now.was} />}
    </div>
  );
}
