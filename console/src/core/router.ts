/**
 * The addresses of the console. Pure: takes and gives text, knows neither the window nor views.
 */
export const BASE = '/console/';

export type Route =
  | { view: 'modules' }
  | { view: 'module'; module: string }
  | { view: 'student'; student: string }
  | { view: 'live' }
  | { view: 'machine' }
  | { view: 'completions' }
  | { view: 'not-found'; path: string };

/** What a path means; ids are decoded, and a path that does not decode is not found. */
export function parseRoute(path: string): Route {
  const missing: Route = { view: 'not-found', path };
  if (`${path}/` === BASE) return { view: 'modules' };
  if (!path.startsWith(BASE)) return missing;
  let parts: string[];
  try {
    parts = path
      .slice(BASE.length)
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return missing;
  }
  const [name, id, ...more] = parts;
  if (more.length > 0) return missing;
  if (name === undefined) return { view: 'modules' };
  if (id === undefined) {
    if (name === 'modules' || name === 'live' || name === 'machine' || name === 'completions')
      return { view: name };
    return missing;
  }
  if (name === 'modules') return { view: 'module', module: id };
  if (name === 'students') return { view: 'student', student: id };
  return missing;
}

/** The path of a route, ready for `href`. */
export function pathOf(route: Exclude<Route, { view: 'not-found' }>): string {
  switch (route.view) {
    case 'modules':
      return BASE;
    case 'module':
      return `${BASE}modules/${encodeURIComponent(route.module)}`;
    case 'student':
      return `${BASE}students/${encodeURIComponent(route.student)}`;
    default:
      return `${BASE}${route.view}`;
  }
}
