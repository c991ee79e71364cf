import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Route } from '../core/router';
import { Loading, Unreachable } from '../parts/states';
import type { ViewProps } from '../views/props';
import { type View, views } from './views';

function useView(view: View): ComponentType<ViewProps> | 'failed' | undefined {
  const [loaded, setLoaded] = useState<{
    view: View;
    component: ComponentType<ViewProps> | 'failed';
  }>();
  useEffect(() => {
    let isObsolete = false;
    views[view].load().then(
      (component) => !isObsolete && setLoaded({ view, component }),
      // Another version was deployed, or the gateway is away: loading the page anew helps.
      () => !isObsolete && setLoaded({ view, component: 'failed' }),
    );
    return () => {
      isObsolete = true;
    };
  }, [view]);
  return loaded?.view === view ? loaded.component : undefined;
}

/** The view that the address names, loaded when it is first opened. */
export function OpenedView({
  route,
  search,
}: {
  route: Exclude<Route, { view: 'not-found' }>;
  search: URLSearchParams;
}) {
  const component = useView(route.view);
  const id = route.view === 'module' ? route.module : route.view === 'student' ? route.student : '';
  if (component === undefined) return <Loading />;
  if (component === 'failed') return <Unreachable retry={() => location.reload()} />;
  const View = component;
  return <View key={`${route.view} ${id}`} id={id} search={search} />;
}
