import { IDBFactory as FakeFactory } from 'fake-indexeddb';
import { describe, expect, test } from 'vitest';
import type { Claim } from '../src/buffer.js';
import { deviceKey } from '../src/device.js';
import { DurableStore, type Store } from '../src/store.js';

const claim = (sn: number, queue = 'q'): Claim => ({
  queue, sub: 's', cid: 'm', sid: 'one', sn, fromMs: sn * 10, toMs: sn * 10 + 10, rate: 1, ended: { wallMs: 1, monoMs: 1, life: 'a' },
});
const numbers = (store: Store, queue = 'q'): Promise<number[]> => store.transact(queue, ({ claims }) => claims.map(({ sn }) => sn));

/** A database that can be told to fail. */
function fragile(): { factory: IDBFactory; fail: (how: 'open' | 'use' | 'hang' | undefined) => void } {
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
          return transaction(...args);
        };
      });
      return request;
    },
  } as IDBFactory;
  return { factory, fail: (how) => { failing = how; } };
}

describe('the store', () => {
  test('keeps claims in order, by queue, for the next page', async () => {
    const factory = new FakeFactory();
    const store = new DurableStore(() => factory, expect.fail);
    for (let sn = 0; sn < 3; ++sn) await store.append(claim(sn));
    await store.append(claim(9, 'other'));
    const next = new DurableStore(() => factory, expect.fail);
    expect(await numbers(next)).toEqual([0, 1, 2]);
    expect(await numbers(next, 'other')).toEqual([9]);
    expect(next.kind).toBe('indexeddb');
  });

  test('writes what a transaction changed, removed and added', async () => {
    const factory = new FakeFactory();
    const store = new DurableStore(() => factory, expect.fail);
    for (let sn = 0; sn < 3; ++sn) await store.append(claim(sn));
    await store.transact('q', (draft) => {
      const [, second, third] = draft.claims;
      draft.claims = [{ ...second!, toMs: 77 }, third!, claim(7)];
      draft.state = { ...draft.state, failures: 4 };
    });
    const next = new DurableStore(() => factory, expect.fail);
    const { claims, state } = await next.transact('q', (draft) => draft);
    expect(claims.map(({ sn, toMs }) => [sn, toMs])).toEqual([[1, 77], [2, 30], [7, 80]]);
    expect(state.failures).toBe(4);
  });

  test('two tabs lose nothing of each other', async () => {
    const factory = new FakeFactory();
    const tabs = [new DurableStore(() => factory, expect.fail), new DurableStore(() => factory, expect.fail)];
    await Promise.all(Array.from({ length: 20 }, (_, sn) => tabs[sn % 2]!.append(claim(sn))));
    expect((await numbers(tabs[0]!)).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, sn) => sn));
  });

  test('two tabs that make a key at the same moment have the same one', async () => {
    const factory = new FakeFactory();
    const tabs = Array.from({ length: 4 }, () => new DurableStore(() => factory, expect.fail));
    const kids = await Promise.all(tabs.map(async (tab) => (await deviceKey(tab, 'ann')).kid));
    expect(new Set(kids).size).toBe(1);
  });

  for (const how of ['open', 'hang'] as const) {
    test(`memory serves where the database does not ${how === 'open' ? 'open' : 'answer'}`, async () => {
      const { factory, fail } = fragile();
      fail(how);
      const reasons: string[] = [];
      const store = new DurableStore(() => factory, (reason) => reasons.push(reason));
      await Promise.all([store.append(claim(0)), store.append(claim(1))]);
      expect(await numbers(store)).toEqual([0, 1]);
      expect(store.kind).toBe('memory');
      expect(reasons).toHaveLength(1);
    }, 20_000);
  }

  test('memory serves where there is no database at all', async () => {
    const reasons: string[] = [];
    const store = new DurableStore(() => undefined, (reason) => reasons.push(reason));
    await store.append(claim(0));
    expect(await numbers(store)).toEqual([0]);
    expect(reasons).toEqual(['no IndexedDB']);
  });

  test('a database that fails later costs neither key nor claims', async () => {
    const { factory, fail } = fragile();
    const reasons: string[] = [];
    const store = new DurableStore(() => factory, (reason) => reasons.push(reason));
    const { kid } = await deviceKey(store, 'ann');
    await store.append(claim(0));
    expect(await numbers(store)).toEqual([0]);
    await store.append(claim(1));
    fail('use');
    await store.append(claim(2));
    expect(await numbers(store)).toEqual([0, 1, 2]);
    expect((await deviceKey(store, 'ann')).kid).toBe(kid);
    expect(store.kind).toBe('memory');
    expect(reasons).toEqual(['the disk is full']);
    fail(undefined);
    const next = new DurableStore(() => factory, expect.fail);
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
    const store = new DurableStore(() => factory, expect.fail);
    await store.append(claim(0));
    open[0]!.close();
    await store.append(claim(1));
    expect(await numbers(store)).toEqual([0, 1]);
    expect(open).toHaveLength(2);
  });
});
