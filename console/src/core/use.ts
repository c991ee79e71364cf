import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from './api';
import { login } from './login';
import { LiveStream, type SseEvent, type StreamState } from './sse';
import { useStore } from './store';

/** Whether an administrator looks at the view, also while their expired login is asked for again. */
export function useIsAdmin(): boolean {
  const now = useStore(login);
  if (now.phase === 'in') return now.who.role === 'admin';
  return now.phase === 'expired' && now.was.role === 'admin';
}

/** Changes when somebody signs in (again): what failed without a login is asked for again. */
export function useRevision(): number {
  const now = useStore(login);
  const last = useRef(0);
  if (now.phase === 'in') last.current = now.revision;
  return last.current;
}

const asProblem = (error: unknown): Problem =>
  error instanceof Problem
    ? error
    : new Problem('fault', 0, error instanceof Error ? error.message : String(error));

export interface Loaded<T> {
  data: T | undefined;
  problem: Problem | undefined;
  loading: boolean;
  reload(): void;
}

/** Asks when `keys` change; what was there stays on screen until the new result. */
export function useLoad<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
): Loaded<T> {
  const revision = useRevision();
  const [state, setState] = useState<{ data?: T; problem?: Problem; loading: boolean; of: string }>(
    {
      loading: true,
      of: '',
    },
  );
  const [turn, setTurn] = useState(0);
  const of = JSON.stringify(keys);
  useEffect(() => {
    const controller = new AbortController();
    setState((old) => (old.of === of ? { ...old, loading: true } : { loading: true, of }));
    ask(controller.signal).then(
      (data) => !controller.signal.aborted && setState({ data, loading: false, of }),
      (error: unknown) =>
        !controller.signal.aborted &&
        setState((old) => ({
          ...(old.data === undefined ? {} : { data: old.data }),
          problem: asProblem(error),
          loading: false,
          of,
        })),
    );
    return () => controller.abort();
  }, [of, turn, revision]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.of === of;
  return {
    data: current ? state.data : undefined,
    problem: current ? state.problem : undefined,
    loading: !current || state.loading,
    reload,
  };
}

/** Runs at once and then each `everyMs` after the last result, while the page is in sight. */
export function usePolling(
  run: (signal: AbortSignal) => Promise<void>,
  everyMs: number,
  keys: readonly unknown[],
): void {
  const revision = useRevision();
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async () => {
      if (!document.hidden) {
        try {
          await latest.current(controller.signal);
        } catch {
          // `run` shows its own problems; a poll that failed is made again.
        }
      }
      if (!controller.signal.aborted) timer = setTimeout(turn, everyMs);
    };
    void turn();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [everyMs, revision, ...keys]);
}

/** A live stream for as long as the component is there. */
export function useStream(
  url: string,
  onEvent: (event: SseEvent) => void,
): { state: StreamState; retry(): void } {
  const revision = useRevision();
  const [state, setState] = useState<StreamState>({ phase: 'connecting' });
  const handler = useRef(onEvent);
  handler.current = onEvent;
  const stream = useRef<LiveStream | undefined>(undefined);
  useEffect(() => {
    const opened = new LiveStream({
      url,
      onEvent: (event) => handler.current(event),
      onState: (next) => {
        setState(next);
        // The stream does not recognise an expired cookie by itself: the login has to be asked.
        if (next.phase === 'ended' && next.status === 401) authorityLost();
      },
    });
    stream.current = opened;
    const back = () => opened.retryNow();
    addEventListener('online', back);
    return () => {
      removeEventListener('online', back);
      opened.close();
    };
  }, [url, revision]);
  return { state, retry: useCallback(() => stream.current?.retryNow(), []) };
}

function authorityLost(): void {
  const now = login.value;
  if (now.phase === 'in') login.set({ phase: 'expired', was: now.who });
}

/** The size of an element in CSS pixels, as it changes. */
export function useWidth<E extends HTMLElement>(): [(element: E | null) => void, number] {
  const [width, setWidth] = useState(0);
  const observer = useRef<ResizeObserver | undefined>(undefined);
  const ref = useCallback((element: E | null) => {
    observer.current?.disconnect();
    if (!element) return;
    setWidth(element.clientWidth);
    observer.current = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.current.observe(element);
  }, []);
  return [ref, width];
}

/** The time now, every `everyMs`, for "3 minutes ago". */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Redraws when called; many calls in one frame make one. */
export function useRedraw(): () => void {
  const [, set] = useState(0);
  const waiting = useRef(false);
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);
  return useCallback(() => {
    if (waiting.current) return;
    waiting.current = true;
    requestAnimationFrame(() => {
      waiting.current = false;
      if (alive.current) set((n) => n + 1);
    });
  }, []);
}
