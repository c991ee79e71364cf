import { describe, expect, test } from 'vitest';
import { parseRoute, pathOf, type Route } from '../src/core/router';

describe('addresses', () => {
  test.each<[string, Route]>([
    ['/console', { view: 'modules' }],
    ['/console/', { view: 'modules' }],
    ['/console/modules', { view: 'modules' }],
    ['/console/modules/fire-1', { view: 'module', module: 'fire-1' }],
    ['/console/modules/a%40b/', { view: 'module', module: 'a@b' }],
    ['/console/students/%3Cb%3E', { view: 'student', student: '<b>' }],
    ['/console/live', { view: 'live' }],
    ['/console/machine', { view: 'machine' }],
    ['/console/completions', { view: 'completions' }],
  ])('%s', (path, route) => expect(parseRoute(path)).toEqual(route));

  test.each([
    '/',
    '/consoles',
    '/console/x',
    '/console/students',
    '/console/modules/a/b',
    '/console/live/x/y',
    '/console/modules/%E0%A4%A',
    '/v1/modules',
  ])('%s is not found', (path) => expect(parseRoute(path)).toEqual({ view: 'not-found', path }));

  test('what is written is read back, whatever the id', () => {
    for (const id of ['a', 'a/b', 'ü ?#%', '..', '<script>', '~:@-._'])
      for (const route of [
        { view: 'module', module: id },
        { view: 'student', student: id },
      ] as const)
        expect(parseRoute(pathOf(route))).toEqual(route);
  });
});
