import { IDBFactory as FakeFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PendingHeartbeat } from '../src/buffer.js';
import { deviceKey } from '../src/device.js';
import { DurableStore, MemoryStore, type Store } from '../src/store.js';

/** With a memory of its own to fall back to, as every page has. */
const durable = (
  factory: () => IDBFactory | undefined,
  onFallback: (reason: string) => void,
): DurableStore => new DurableStore(onFallback, factory, new MemoryStore());

const heartbeat = (sn: number, queue = 'q'): PendingHeartbeat => ({
  queue,
  sub: 's',
  cid: 'm',
  sid: 'one',
  sn,
  fromMs: sn * 10,
  toMs: sn * 10 + 10,
  rate: 1,
  ended: { wallMs: 1, monoMs: 1, life: 'a' },
});
const numbers = (store: Store, queue = 'q'): Promise<number[]> =>
  store.transact(queue, ({ pendingHeartbeats }) => pendingHeartbeats.map(({ sn }) => sn));

/** A database that can be made to fail. */
function fragile(): {
  factory: IDBFactory;
  fail: (how: 'open' | 'use' | 'hang' | undefined) => void;
  abort: () => void;
} {
  let last: IDBTransaction;
  const real = new FakeFactory();
  let failing: 'open' | 'use' | 'hang' | undefined;
  const factory = {
    open(name: string, version: number): IDBOpenDBRequest {
      if (failing === 'open') throw new DOMException('denied', 'SecurityError');
      if (failing === 'hang') return {} as IDBOpenDBRequest;
      const request = real.open(name, version);
      request.addEventListener('success', () => {
        const transaction = request.result.transaction.bind(request.result);
        request.result.transaction = (...args) => {
          if (failing) throw new DOMException('the disk is full', 'QuotaExceededError');
          last = transaction(...args);
          return last;
        };
      });
      return request;
    },
  } as IDBFactory;
  return {
    factory,
    fail: (how) => {
      failing = how;
    },
    abort: () => last.abort(),
  };
}

/** Lets `work` run into the time limit, as often as it takes. Needs timers that are not real. */
async function late<R>(work: Promise<R>): Promise<R> {
  let ended = false;
  void work.finally(() => {
    ended = true;
  });
  for (let turn = 0; !ended && turn < 10_000; ++turn) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn % 100 === 99) await vi.advanceTimersByTimeAsync(5_000);
  }
  return work;
}

describe('the store', () => {
  afterEach(() => void vi.useRealTimers());

  test('keeps heartbeats in order, by queue, for the next page', async () => {
    const factory = new FakeFactory();
    const store = durable(() => factory, expect.fail);
    for (let sn = 0; sn < 3; ++sn) await store.appendHeartbeat(heartbeat(sn));
    await store.appendHeartbeat(heartbeat(9, 'other'));
    const next = durable(() => factory, expect.fail);
    expect(await numbers(next)).toEqual([0, 1, 2]);
    expect(await numbers(next, 'other')).toEqual([9]);
    expect(next.kind).toBe('indexeddb');
  });

  test('writes what a transaction changed, removed and added', async () => {
    const factory = new FakeFactory();
    const store = durable(() => factory, expect.fail);
    for (let sn = 0; sn < 3; ++sn) await store.appendHeartbeat(heartbeat(sn));
    await store.transact('q', (draft) => {
      const [, second, third] = draft.pendingHeartbeats;
      draft.pendingHeartbeats = [{ ...second!, toMs: 77 }, third!, heartbeat(7)];
      draft.state = { ...draft.state, failures: 4 };
    });
    const next = durable(() => factory, expect.fail);
    const { pendingHeartbeats, state } = await next.transact('q', (draft) => draft);
    expect(pendingHeartbeats.map(({ sn, toMs }) => [sn, toMs])).toEqual([
      [1, 77],
      [2, 30],
      [7, 80],
    ]);
    expect(state.failures).toBe(4);
  });

  test('two tabs lose nothing of each other', async () => {
    const factory = new FakeFactory();
    const tabs = [durable(() => factory, expect.fail), durable(() => factory, expect.fail)];
    await Promise.all(
      Array.from({ length: 20 }, (_, sn) => tabs[sn % 2]!.appendHeartbeat(heartbeat(sn))),
    );
    expect((await numbers(tabs[0]!)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, sn) => sn),
    );
  });

  test('two tabs that make a key at the same moment have the same one', async () => {
    const factory = new FakeFactory();
    const tabs = Array.from({ length: 4 }, () => durable(() => factory, expect.fail));
    const kids = await Promise.all(tabs.map(async (tab) => (await deviceKey(tab, 'ann')).kid));
    expect(new Set(kids).size).toBe(1);
  });

  for (const how of ['open', 'hang'] as const) {
    test(`memory serves where the database does not ${how === 'open' ? 'open' : 'respond'}`, async () => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      const { factory, fail } = fragile();
      fail(how);
      const reasons: string[] = [];
      const store = durable(
        () => factory,
        (reason) => reasons.push(reason),
      );
      await late(
        Promise.all([store.appendHeartbeat(heartbeat(0)), store.appendHeartbeat(heartbeat(1))]),
      );
      expect(await numbers(store)).toEqual([0, 1]);
      expect(store.kind).toBe('memory');
      expect(reasons).toHaveLength(1);
    });
  }

  test('memory serves where there is no database at all', async () => {
    const reasons: string[] = [];
    const store = durable(
      () => undefined,
      (reason) => reasons.push(reason),
    );
    await store.appendHeartbeat(heartbeat(0));
    expect(await numbers(store)).toEqual([0]);
    expect(reasons).toEqual(['Error: no IndexedDB']);
  });

  test('a change that the database did not take is made once in memory', async () => {
    const { factory, fail, abort } = fragile();
    const store = durable(
      () => factory,
      () => undefined,
    );
    await store.appendHeartbeat(heartbeat(0));
    let changes = 0;
    await store.transact('q', (draft) => {
      draft.pendingHeartbeats = [...draft.pendingHeartbeats, heartbeat(1)];
      if (changes++) return;
      abort();
      fail('use');
    });
    expect(store.kind).toBe('memory');
    expect(changes).toBe(2);
    expect(await numbers(store)).toEqual([0, 1]);
  });

  test('stores that fall back to one memory have the heartbeats of both', async () => {
    const { factory, fail } = fragile();
    const memory = new MemoryStore();
    const [one, other] = [1, 2].map(
      () =>
        new DurableStore(
          () => undefined,
          () => factory,
          memory,
        ),
    ) as [DurableStore, DurableStore];
    for (const store of [one, other]) await numbers(store);
    await one.appendHeartbeat(heartbeat(0));
    fail('use');
    await one.appendHeartbeat(heartbeat(1));
    await other.appendHeartbeat(heartbeat(2));
    expect(await numbers(one)).toEqual([0, 1, 2]);
    expect(await numbers(other)).toEqual([0, 1, 2]);
  });

  test('a database that fails later costs neither key nor heartbeats', async () => {
    const { factory, fail } = fragile();
    const reasons: string[] = [];
    const store = durable(
      () => factory,
      (reason) => reasons.push(reason),
    );
    const { kid } = await deviceKey(store, 'ann');
    await store.appendHeartbeat(heartbeat(0));
    expect(await numbers(store)).toEqual([0]);
    await store.appendHeartbeat(heartbeat(1));
    fail('use');
    await store.appendHeartbeat(heartbeat(2));
    expect(await numbers(store)).toEqual([0, 1, 2]);
    expect((await deviceKey(store, 'ann')).kid).toBe(kid);
    expect(store.kind).toBe('memory');
    expect(reasons).toEqual(['QuotaExceededError: the disk is full']);
    fail(undefined);
    const next = durable(() => factory, expect.fail);
    expect(await numbers(next)).toEqual([0, 1]);
  });

  test('a closed connection is opened again without anybody noticing', async () => {
    const real = new FakeFactory();
    const open: IDBDatabase[] = [];
    const factory = {
      open(name: string, version: number) {
        const request = real.open(name, version);
        request.addEventListener('success', () => open.push(request.result));
        return request;
      },
    } as IDBFactory;
    const store = durable(() => factory, expect.fail);
    await store.appendHeartbeat(heartbeat(0));
    open[0]!.close();
    await store.appendHeartbeat(heartbeat(1));
    expect(await numbers(store)).toEqual([0, 1]);
    expect(open).toHaveLength(2);
  });
});

describe('a database that is slow', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  /** Carries everything out, but `mute(n)` keeps the next n transactions from saying so. */
  function secretive(): { factory: IDBFactory; mute: (n: number) => void; close: () => void } {
    const real = new FakeFactory();
    let left = 0,
      closed = false;
    const factory = {
      open(name: string, version: number) {
        if (closed) throw new DOMException('gone', 'UnknownError');
        const request = real.open(name, version);
        request.addEventListener('success', () => {
          const begin = request.result.transaction.bind(request.result);
          request.result.transaction = (...args) => {
            const transaction = begin(...args);
            if (left-- > 0)
              Object.defineProperty(transaction, 'oncomplete', { set: () => undefined });
            return transaction;
          };
        });
        return request;
      },
    } as IDBFactory;
    return {
      factory,
      mute: (n) => {
        left = n;
      },
      close: () => {
        closed = true;
      },
    };
  }

  test('adds a heartbeat once, however often it has to try', async () => {
    const { factory, mute } = secretive();
    const store = durable(() => factory, expect.fail);
    await store.appendHeartbeat(heartbeat(0));
    mute(1);
    await late(store.appendHeartbeat(heartbeat(1)));
    await store.appendHeartbeat(heartbeat(2));
    expect(await numbers(durable(() => factory, expect.fail))).toEqual([0, 1, 2]);
  });

  test('adds what a transaction has new once', async () => {
    const { factory, mute } = secretive();
    const store = durable(() => factory, expect.fail);
    await store.appendHeartbeat(heartbeat(0));
    mute(1);
    await late(
      store.transact('q', (draft) => {
        draft.pendingHeartbeats = [...draft.pendingHeartbeats, heartbeat(7)];
      }),
    );
    expect(await numbers(store)).toEqual([0, 7]);
  });

  test('adds no heartbeat that another has taken into itself meanwhile', async () => {
    const { factory, mute } = secretive();
    const store = durable(() => factory, expect.fail);
    await store.appendHeartbeat(heartbeat(0));
    mute(1);
    const adding = store.appendHeartbeat(heartbeat(1));
    const other = durable(() => factory, expect.fail);
    await until(async () => (await numbers(other)).length === 2);
    await other.transact('q', (draft) => {
      draft.pendingHeartbeats = [{ ...draft.pendingHeartbeats[0]!, toMs: 20 }];
    });
    await late(adding);
    expect(
      await store.transact('q', ({ pendingHeartbeats }) =>
        pendingHeartbeats.map(({ sn, toMs }) => [sn, toMs]),
      ),
    ).toEqual([[0, 20]]);
  });

  test('takes a transaction back that has not begun in time', async () => {
    const factory = new FakeFactory();
    const store = durable(() => factory, expect.fail);
    await store.appendHeartbeat(heartbeat(0));
    // Somebody else has the queue, for longer than is waited.
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = factory.open('watchkeeper', 1);
      request.onsuccess = () => resolve(request.result);
    });
    let isHeld = true,
      runs = 0;
    const hold = (transaction: IDBTransaction): void => {
      transaction.objectStore('queue').count().onsuccess = () => {
        if (isHeld) hold(transaction);
      };
    };
    hold(database.transaction(['queue'], 'readwrite'));
    const changing = store.transact('q', (draft) => {
      ++runs;
      draft.state = { ...draft.state, failures: draft.state.failures + 1 };
    });
    await vi.advanceTimersByTimeAsync(5_001);
    await new Promise((resolve) => setImmediate(resolve));
    isHeld = false;
    await late(changing);
    expect(runs).toBe(1);
    expect(await store.transact('q', ({ state }) => state.failures)).toBe(1);
    database.close();
  });

  test('counts a heartbeat as sent where memory takes over and the database may have it as well', async () => {
    const { factory, mute, close } = secretive();
    const reasons: string[] = [];
    const store = durable(
      () => factory,
      (reason) => reasons.push(reason),
    );
    await store.appendHeartbeat(heartbeat(0));
    expect(await numbers(store)).toEqual([0]);
    mute(1);
    const adding = store.appendHeartbeat(heartbeat(1));
    close();
    await late(adding);
    expect(store.kind).toBe('memory');
    expect(reasons).toEqual(['UnknownError: gone']);
    expect(
      await store.transact('q', ({ pendingHeartbeats }) =>
        pendingHeartbeats.map(({ sn, sent }) => [sn, sent]),
      ),
    ).toEqual([
      [0, undefined],
      [1, true],
    ]);
    await store.appendHeartbeat(heartbeat(2));
    expect(
      await store.transact('q', ({ pendingHeartbeats }) => pendingHeartbeats.at(-1)!.sent),
    ).toBeUndefined();
  });

  test('loses no heartbeat that is made while it is tried to open the database again', async () => {
    const store = durable(
      () => ({ open: () => ({}) }) as unknown as IDBFactory,
      () => undefined,
    );
    const adding = [store.appendHeartbeat(heartbeat(0)), store.appendHeartbeat(heartbeat(1))];
    await vi.advanceTimersByTimeAsync(7_000);
    adding.push(store.appendHeartbeat(heartbeat(2)));
    await vi.advanceTimersByTimeAsync(20_000);
    await Promise.all(adding);
    expect(await numbers(store)).toEqual([0, 1, 2]);
  });

  test('loses none of two heartbeats when memory takes over for the first', async () => {
    const { factory, mute, close } = secretive();
    const store = durable(
      () => factory,
      () => undefined,
    );
    await store.appendHeartbeat(heartbeat(0));
    await numbers(store);
    mute(2);
    const adding = Promise.all([
      store.appendHeartbeat(heartbeat(1)),
      store.appendHeartbeat(heartbeat(2)),
    ]);
    close();
    await late(adding);
    expect(await numbers(store)).toEqual([0, 1, 2]);
  });

  test('stays with memory when the database opens after all', async () => {
    const { factory, mute } = secretive();
    let delayed: (() => void)[] | undefined;
    const store = durable(
      () =>
        ({
          open(name: string, version: number): IDBOpenDBRequest {
            const request = factory.open(name, version);
            if (!delayed) return request;
            const late = { onsuccess: null } as {
              -readonly [K in keyof IDBOpenDBRequest]: IDBOpenDBRequest[K];
            };
            request.onsuccess = (event) =>
              delayed!.push(() => {
                late.result = request.result;
                late.onsuccess?.call(late, event);
              });
            return late;
          },
        }) as IDBFactory,
      () => undefined,
    );
    await store.appendHeartbeat(heartbeat(0));
    expect(await numbers(store)).toEqual([0]);
    mute(2);
    delayed = [];
    const first = store.appendHeartbeat(heartbeat(1));
    await vi.advanceTimersByTimeAsync(3_000);
    const second = store.appendHeartbeat(heartbeat(2));
    await vi.advanceTimersByTimeAsync(7_500);
    await first; // twice five seconds are over
    expect(store.kind).toBe('memory');
    await store.appendHeartbeat(heartbeat(3));
    // The second one has waited for the database to open since 8 s.
    for (const open of delayed) open();
    await late(second);
    expect(store.kind).toBe('memory');
    expect((await numbers(store)).sort()).toEqual([0, 1, 2, 3]);
  });
});

/** Until it is true; bounded by the time of the test. */
async function until(probe: () => Promise<boolean>): Promise<void> {
  while (!(await probe())) await new Promise((resolve) => setImmediate(resolve));
}
