import { useEffect, useRef } from 'preact/hooks';
import { login, restoreLogin } from '../core/login';
import { go, usePlace } from '../core/place';
import { pathOf } from '../core/router';
import { useStore } from '../core/store';
import { Loading, Notice, ToModules, Unreachable } from '../parts/states';
import { t } from '../text/en';
import { ExpiredSignIn, SignIn } from '../views/sign-in';
import { OpenedView } from './opened-view';
import { Side } from './side';
import { mayOpen } from './views';

export function App() {
  const now = useStore(login);
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
        <Unreachable retry={() => void restoreLogin()} />
      </main>
    );
  if (!who) return <SignIn signedOut={now.phase === 'out' && now.why === 'signed-out'} />;
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
      <Side who={who} route={route} />
      <main
        id="content"
        ref={main}
        tabIndex={-1}
        class={now.phase === 'expired' ? 'content hidden-content' : 'content'}
      >
        {!mayOpen(who.role, route.view) ? (
          <Notice page icon="lock" title={t.state.forbiddenTitle}>
            {t.state.forbidden(t.role[who.role])}
          </Notice>
        ) : route.view === 'not-found' ? (
          <Notice page icon="empty" title={t.state.notFoundTitle} action={<ToModules />}>
            {t.state.notFound}
          </Notice>
        ) : (
          <OpenedView route={route} search={search} />
        )}
      </main>
      {now.phase === 'expired' && <ExpiredSignIn was={now.was} />}
    </div>
  );
}
