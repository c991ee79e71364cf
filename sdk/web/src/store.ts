/**
 * The storage of keys and unsent heartbeats: IndexedDB, or memory where that does not work (a private
 * window, a full disk). All tabs of an origin share one database.
 */
import type { PendingHeartbeat } from './buffer.js';
import { STORE_TIMEOUT_MS } from './limits.js';
import type { ModuleProgress } from './types.js';

export const DATABASE = 'watchkeeper';

/** What all tabs of an origin know about one queue. */
export interface QueueState {
  /** Failures in a row. */
  failures: number;
  /** Nothing is sent before this time of the device's clock … */
  untilMs: number;
  /** … and never for longer than this. */
  waitMs: number;
  /** The gateway asked for the wait. */
  asked?: boolean;
  /** The device is not enrolled: nothing is sent until the application says so. */
  halted?: boolean;
  /** The last result by module. */
  progress: Record<string, ModuleProgress>;
}

/** A queue as a transaction sees it. To change it, replace its arrays and objects by others. */
export interface Draft {
  pendingHeartbeats: PendingHeartbeat[];
  state: QueueState;
}
export type Transaction<R> = (draft: Draft) => R;

export interface Store {
  readonly kind: 'indexeddb' | 'memory';
  /** Adds a heartbeat at the end of its queue; the request to write is made before this returns. */
  appendHeartbeat(heartbeat: PendingHeartbeat): Promise<void>;
  /** Reads and writes a queue and its state in one step. `change` runs at least once. */
  transact<R>(queue: string, change: Transaction<R>): Promise<R>;
  /** What is stored under `name`, or else `value`, which is then stored. */
  getOrPut<T>(name: string, value?: T): Promise<T | undefined>;
}

/** Whether `stored` is `heartbeat`, or was joined with it: then `heartbeat` is not added again. */
const covers = (stored: PendingHeartbeat, heartbeat: PendingHeartbeat): boolean =>
  stored.sid === heartbeat.sid &&
  stored.fromMs <= heartbeat.fromMs &&
  stored.toMs >= heartbeat.toMs;

export const emptyState = (): QueueState => ({ failures: 0, untilMs: 0, waitMs: 0, progress: {} });

export class MemoryStore implements Store {
  readonly kind = 'memory';
  readonly #queues = new Map<string, Draft>();
  readonly #named = new Map<string, unknown>();
  // Far from the ids that the database gave to the heartbeats that are taken over from it.
  #nextId = 2 ** 40;

  /** Takes over the content of another store, after what is here. */
  takeOver(name: string, { pendingHeartbeats, state }: Draft): void {
    const merge = (draft: Draft): void => {
      const here = draft.pendingHeartbeats;
      draft.pendingHeartbeats = [
        ...here,
        ...pendingHeartbeats.filter(
          (heartbeat) => !here.some((stored) => covers(stored, heartbeat)),
        ),
      ];
    };
    void this.transact(name, merge, state);
  }

  appendHeartbeat(heartbeat: PendingHeartbeat): Promise<void> {
    return this.transact(heartbeat.queue, (draft) => {
      draft.pendingHeartbeats = [...draft.pendingHeartbeats, heartbeat];
    });
  }

  async transact<R>(name: string, change: Transaction<R>, state = emptyState()): Promise<R> {
    const draft: Draft = { pendingHeartbeats: [], state, ...this.#queues.get(name) };
    const result = change(draft);
    draft.pendingHeartbeats = draft.pendingHeartbeats.map((heartbeat) =>
      heartbeat.id === undefined ? { ...heartbeat, id: this.#nextId++ } : heartbeat,
    );
    this.#queues.set(name, draft);
    return result;
  }

  async getOrPut<T>(name: string, value?: T): Promise<T | undefined> {
    if (this.#named.get(name) === undefined) this.#named.set(name, value);
    return this.#named.get(name) as T | undefined;
  }
}

/** All stores of a page fall back to this one, so every tracker has the key that was enrolled. */
const memoryOfPage = new MemoryStore();

class IndexedDbStore implements Store {
  readonly kind = 'indexeddb';
  readonly #database: IDBDatabase;

  constructor(database: IDBDatabase) {
    this.#database = database;
    // Another version of this module wants to change the database: let it.
    database.onversionchange = () => database.close();
  }

  appendHeartbeat(heartbeat: PendingHeartbeat): Promise<void> {
    return this.#run(['queue'], (transaction) => {
      transaction.objectStore('queue').add(heartbeat);
      // Written even if the page goes away right now.
      transaction.commit?.();
      return () => undefined;
    });
  }

  transact<R>(name: string, change: Transaction<R>): Promise<R> {
    return this.#run(['queue', 'state'], (transaction) => {
      const queue = transaction.objectStore('queue');
      const states = transaction.objectStore('state');
      const heartbeats = queue.index('queue').getAll(name) as IDBRequest<PendingHeartbeat[]>;
      const state = states.get(name) as IDBRequest<QueueState | undefined>;
      let result: R;
      // Requests of a transaction are carried out in order, so both are there.
      state.onsuccess = () => {
        const before = heartbeats.result;
        const draft: Draft = { pendingHeartbeats: before, state: state.result ?? emptyState() };
        result = change(draft);
        const remaining = new Set(draft.pendingHeartbeats.map((heartbeat) => heartbeat.id));
        for (const heartbeat of before)
          if (!remaining.has(heartbeat.id)) queue.delete(heartbeat.id!);
        for (const heartbeat of draft.pendingHeartbeats) {
          // Without an id it is new, unless an earlier try has added it and its success was not reported.
          const isKnown =
            heartbeat.id === undefined
              ? before.some((stored) => covers(stored, heartbeat))
              : before.includes(heartbeat);
          if (!isKnown) queue.put(heartbeat);
        }
        if (draft.state !== state.result) states.put(draft.state, name);
      };
      return () => result;
    });
  }

  getOrPut<T>(name: string, value?: T): Promise<T | undefined> {
    return this.#run(['named'], (transaction) => {
      const named = transaction.objectStore('named');
      const found = named.get(name) as IDBRequest<T | undefined>;
      found.onsuccess = () => {
        if (found.result === undefined && value !== undefined) named.put(value, name);
      };
      return () => found.result ?? value;
    });
  }

  #run<R>(stores: string[], work: (transaction: IDBTransaction) => () => R): Promise<R> {
    return inTime((resolve, reject) => {
      const transaction = this.#database.transaction(stores, 'readwrite');
      const result = work(transaction);
      transaction.oncomplete = () => resolve(result());
      // Follows each error, and has it.
      transaction.onabort = () => reject(transaction.error);
      // The caller aborts it before another try, so that it is not carried out twice. Throws while it commits.
      return transaction;
    });
  }
}

/** `work` returns its transaction, if it has one, which is aborted if it has not ended in time. */
function inTime<R>(
  work: (
    resolve: (value: R) => void,
    reject: (error: unknown) => void,
  ) => IDBTransaction | undefined,
): Promise<R> {
  let timer: ReturnType<typeof setTimeout>;
  return new Promise<R>((resolve, reject) => {
    const undone = work(resolve, reject);
    timer = setTimeout(() => {
      reject(new Error('no IndexedDB'));
      try {
        undone?.abort();
      } catch {
        // Too late: it may still be carried out, and the next try looks for that.
      }
    }, STORE_TIMEOUT_MS);
  }).finally(() => clearTimeout(timer));
}

function open(factory: IDBFactory): Promise<Store> {
  return inTime((resolve, reject) => {
    const request = factory.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      const database = request.result;
      database
        .createObjectStore('queue', { keyPath: 'id', autoIncrement: true })
        .createIndex('queue', 'queue');
      database.createObjectStore('state');
      database.createObjectStore('named');
    };
    request.onsuccess = () => resolve(new IndexedDbStore(request.result));
    request.onerror = () => reject(request.error);
  });
}

/**
 * IndexedDB for as long as it works. A failed operation is tried once more on a fresh connection.
 * Then memory takes over, with the last known content of the queue, and `onFallback` gets the reason.
 */
export class DurableStore implements Store {
  #current: Store | undefined;
  #opening: Promise<Store> | undefined;
  readonly #seen = new Map<string, Draft>();
  readonly #names = new Map<string, unknown>();
  readonly #factory: () => IDBFactory | undefined;
  readonly #onFallback: (reason: string) => void;
  readonly #memory: MemoryStore;

  /** `factory` is called each time, and may throw. */
  constructor(
    onFallback: (reason: string) => void,
    factory: () => IDBFactory | undefined = () => globalThis.indexedDB,
    memory = memoryOfPage,
  ) {
    this.#onFallback = onFallback;
    this.#factory = factory;
    this.#memory = memory;
  }

  get kind(): 'indexeddb' | 'memory' {
    return this.#current?.kind ?? 'indexeddb';
  }

  appendHeartbeat(heartbeat: PendingHeartbeat): Promise<void> {
    return this.#attempt((store, again) => {
      if (!again) return store.appendHeartbeat(heartbeat);
      // The first try may have been carried out, or may still be. A transaction of the same database runs after it and
      // sees its effect. Memory does not, so there the heartbeat counts as sent: it is never joined with another.
      return store.transact(heartbeat.queue, (draft) => {
        draft.pendingHeartbeats = [...draft.pendingHeartbeats, { ...heartbeat, sent: true }];
      });
    }).then(() => {
      const seen = this.#seen.get(heartbeat.queue);
      // Without an id it is only a copy, in case the database goes away.
      if (seen) seen.pendingHeartbeats = [...seen.pendingHeartbeats, heartbeat];
    });
  }

  async transact<R>(queue: string, change: Transaction<R>): Promise<R> {
    let last: Draft;
    const result = await this.#attempt((store) =>
      store.transact(queue, (draft) => {
        // Until the change is stored, another try begins with this.
        this.#seen.set(queue, { ...draft });
        last = draft;
        return change(draft);
      }),
    );
    this.#seen.set(queue, { ...last! });
    return result;
  }

  async getOrPut<T>(name: string, value?: T): Promise<T | undefined> {
    const found = await this.#attempt((store) => store.getOrPut(name, value));
    if (found !== undefined) this.#names.set(name, found);
    return found;
  }

  /** `again`: an earlier try may have been carried out although it failed. */
  async #attempt<R>(work: (store: Store, again?: true) => Promise<R>): Promise<R> {
    try {
      // Without waiting if the store is open: at the end of a page there is no time left.
      return await work(this.#current ?? (await this.#reopen()));
    } catch {
      try {
        // Memory stays once it has taken over: only the work itself can fail there, and would fail each time.
        if (this.kind !== 'memory') this.#current = this.#opening = undefined;
        return await work(await this.#reopen(), true);
      } catch (error) {
        return work(this.#fallBack(error), true);
      }
    }
  }

  async #reopen(): Promise<Store> {
    if (this.#current) return this.#current;
    this.#opening ??= (async () => {
      const factory = this.#factory();
      if (!factory) throw new Error('no IndexedDB');
      return open(factory);
    })();
    const opened = await this.#opening;
    // A database that opens late does not replace memory that took over, whose content is nowhere else.
    this.#current ??= opened;
    return this.#current;
  }

  #fallBack(error: unknown): Store {
    // Another operation may have been faster.
    if (this.kind === 'memory') return this.#current!;
    const memory = this.#memory;
    this.#current = memory;
    for (const [name, draft] of this.#seen) memory.takeOver(name, draft);
    for (const [name, value] of this.#names) void memory.getOrPut(name, value);
    this.#onFallback(String(error));
    return memory;
  }
}
