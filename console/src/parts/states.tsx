import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Problem } from '../core/api';
import { login } from '../core/login';
import { BASE } from '../core/router';
import type { StreamState } from '../core/sse';
import { useStore } from '../core/store';
import { t } from '../text/en';
import { Icon, type IconName } from './icons';

/** Something calm in the place of what is not there. */
export function Notice({
  icon,
  title,
  children,
  action,
  small,
  page,
}: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
  action?: ComponentChildren;
  small?: boolean;
  /** It is all there is in the view: its title is the page's. */
  page?: boolean;
}) {
  const Title = page ? 'h1' : 'h2';
  return (
    <div class={small ? 'notice notice-small' : 'notice'} role="status">
      <span class="notice-icon">
        <Icon name={icon} size={22} />
      </span>
      <Title>{title}</Title>
      {children && <p>{children}</p>}
      {action && <div class="notice-action">{action}</div>}
    </div>
  );
}

export function Loading() {
  return (
    <div class="loading" role="status">
      <span class="visually-hidden">{t.state.loading}</span>
      <i />
      <i />
      <i />
    </div>
  );
}

export const ToModules = () => (
  <a class="button" href={BASE}>
    {t.state.toModules}
  </a>
);

/** In the place of the whole page, when the gateway does not answer. */
export const Unreachable = ({ retry }: { retry: () => void }) => (
  <Notice
    page
    icon="away"
    title={t.state.unreachableTitle}
    action={
      <button type="button" class="button" onClick={retry}>
        {t.state.retry}
      </button>
    }
  >
    {t.state.unreachable}
  </Notice>
);

/** A problem of the gateway, said so that it helps. A 401 is left to the dialog of the login. */
export function ProblemNotice({
  problem,
  retry,
  missing,
  page = false,
}: {
  problem: Problem;
  retry: () => void;
  page?: boolean;
  missing?: { title: string; text: string };
}) {
  const who = useStore(login);
  const again = (
    <button type="button" class="button" onClick={retry}>
      {t.state.retry}
    </button>
  );
  if (problem.status === 401) return <Loading />;
  if (problem.status === 403) {
    const role = who.phase === 'in' ? t.role[who.who.role] : '';
    return (
      <Notice page={page} icon="lock" title={t.state.forbiddenTitle}>
        {t.state.forbidden(role)}
      </Notice>
    );
  }
  if (problem.status === 404 && missing)
    return (
      <Notice page={page} icon="empty" title={missing.title} action={<ToModules />}>
        {missing.text}
      </Notice>
    );
  if (problem.status === 0 || problem.status >= 500)
    return (
      <Notice page={page} icon="away" title={t.state.unreachableTitle} action={again}>
        {problem.detail || t.state.unreachable}
      </Notice>
    );
  return (
    <Notice page={page} icon="alert" title={t.state.faultTitle} action={again}>
      {t.state.fault(problem.detail)}
    </Notice>
  );
}

/** In the place of what is being loaded, or could not be. */
export const Pending = ({
  of,
  page = false,
}: {
  of: { problem: Problem | undefined; reload: () => void };
  page?: boolean;
}) =>
  of.problem ? <ProblemNotice page={page} problem={of.problem} retry={of.reload} /> : <Loading />;

/** Whether what is shown is live; quiet while it is, plain when it is not. */
export function LiveMark({ state, retry }: { state: StreamState; retry: () => void }) {
  const [now, setNow] = useState(Date.now());
  const waiting = state.phase === 'waiting';
  useEffect(() => {
    if (!waiting) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [waiting, state]);
  let text = t.live.open;
  if (state.phase === 'connecting') text = t.live.connecting;
  if (state.phase === 'ended') text = t.live.ended;
  if (state.phase === 'waiting') {
    const seconds = Math.ceil((state.retryAtMs - now) / 1000);
    text = seconds > 1 ? t.live.waiting(seconds) : t.live.reconnecting;
  }
  return (
    <span
      class={`live-mark live-${state.phase}`}
      title={waiting ? t.live.explain : undefined}
      data-stream={state.phase}
    >
      <i aria-hidden="true" />
      <span role="status">{text}</span>
      {waiting && (
        <button type="button" class="link" onClick={retry}>
          {t.live.retry}
        </button>
      )}
    </span>
  );
}
