import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { api, Problem } from '../src/core/api';
import { login, restoreLogin } from '../src/core/login';

const ann = { name: 'ann', role: 'admin', csrf: 'one' };

describe('a write after a login in another tab', () => {
  const asked: { path: string; method: string; csrf: string | undefined }[] = [];
  let who = ann;
  beforeEach(async () => {
    asked.length = 0;
    who = ann;
    vi.stubGlobal(
      'fetch',
      async (path: string, init: { method: string; headers: Record<string, string> }) => {
        const csrf = init.headers['x-watchkeeper-csrf'];
        asked.push({ path, method: init.method, csrf });
        if (path === '/v1/session') return Response.json(who);
        return csrf === who.csrf
          ? new Response(null, { status: 204 })
          : Response.json({ type: 'urn:watchkeeper:problem:forbidden' }, { status: 403 });
      },
    );
    await restoreLogin();
  });
  afterEach(() => vi.unstubAllGlobals());

  test('is made again with what guards it now', async () => {
    who = { ...ann, csrf: 'two' };
    await api.revoke('kid');
    expect(asked.slice(1)).toEqual([
      { path: '/v1/devices/kid', method: 'DELETE', csrf: 'one' },
      { path: '/v1/session', method: 'GET', csrf: undefined },
      { path: '/v1/devices/kid', method: 'DELETE', csrf: 'two' },
    ]);
  });
  test('is not made in the name of somebody else, whose name is shown from then on', async () => {
    who = { name: 'bob', role: 'admin', csrf: 'three' };
    await expect(api.revoke('kid')).rejects.toBeInstanceOf(Problem);
    expect(asked.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
    expect(login.value).toMatchObject({ phase: 'in', who });
  });
  test('is refused where nothing has changed', async () => {
    vi.stubGlobal('fetch', async (path: string, init: { method: string }) => {
      asked.push({ path, method: init.method, csrf: undefined });
      return path === '/v1/session' ? Response.json(ann) : Response.json({}, { status: 403 });
    });
    await expect(api.revoke('kid')).rejects.toMatchObject({ status: 403 });
    expect(asked.filter(({ method }) => method === 'DELETE')).toHaveLength(1);
  });
});
