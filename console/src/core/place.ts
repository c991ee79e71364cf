import { useMemo } from 'preact/hooks';
import { BASE, parseRoute } from './router';
import { Store, useStore } from './store';

/** Where the browser is: follows the address bar, and moves it. */
const place = new Store(location.pathname + location.search);

const follow = () => place.set(location.pathname + location.search);
addEventListener('popstate', follow);

export function go(path: string): void {
  if (path !== location.pathname + location.search) {
    history.pushState(null, '', path);
    scrollTo(0, 0);
  }
  follow();
}

/** Changes the query of this place without a step in the history. */
export function amend(parameters: Record<string, string | undefined>): void {
  const search = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(parameters))
    if (value === undefined || value === '') search.delete(name);
    else search.set(name, value);
  const text = search.toString();
  history.replaceState(null, '', location.pathname + (text && `?${text}`));
  follow();
}

export function usePlace() {
  const at = useStore(place);
  return useMemo(() => {
    const url = new URL(at, location.origin);
    return { route: parseRoute(url.pathname), search: url.searchParams, path: url.pathname };
  }, [at]);
}

/** Clicks on links into the console change the view without loading a page. */
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.('a');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin)
    return;
  if (!link.pathname.startsWith(BASE)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
