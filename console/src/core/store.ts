import { useEffect, useState } from 'preact/hooks';

/** A value that components follow. */
export class Store<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private current: T) {}

  get value(): T {
    return this.current;
  }

  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, redraw] = useState(0);
  useEffect(() => {
    let seen = store.value;
    const changed = () => {
      if (Object.is(seen, store.value)) return;
      seen = store.value;
      redraw((n) => n + 1);
    };
    const stop = store.subscribe(changed);
    // It may have changed between drawing and now.
    redraw((n) => n + 1);
    return stop;
  }, [store]);
  return store.value;
}
