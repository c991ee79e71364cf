// `/v1/session`: the logins of people.
import crypto from 'node:crypto';
import { options, sha256 } from './options.mjs';
import { Problem } from './problem.mjs';
import { logins } from './state.mjs';

const cookieOf = (request) => /(?:^|; )__Host-wk=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];

/** Who calls: by a bearer token or by the cookie of a login. */
export function whoIs(request) {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (bearer) return options.tokens.find((token) => token.sha256 === sha256(bearer));
  const login = logins.get(cookieOf(request));
  if (login && login.expiresMs > Date.now()) return { ...login, byCookie: true };
  return undefined;
}

const loginDocument = ({ name, role, expiresMs, csrf }) => ({
  name,
  role,
  expires_at: new Date(expiresMs).toISOString(),
  csrf,
});

/** [status, document] for a call of `/v1/session`; sets the cookie. */
export function login(request, response, body) {
  if (request.method === 'POST') {
    const token = options.tokens.find(
      (one) => one.sha256 === sha256(String(JSON.parse(body).token)),
    );
    if (!token) throw new Problem(401, 'unauthorized', 'The token is not known.');
    const id = crypto.randomUUID();
    const made = {
      ...token,
      csrf: crypto.randomUUID(),
      expiresMs: Date.now() + options.loginS * 1000,
    };
    logins.set(id, made);
    response.setHeader(
      'set-cookie',
      `__Host-wk=${id}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=${options.loginS}`,
    );
    return [200, loginDocument(made)];
  }
  const who = whoIs(request);
  if (!who?.byCookie) throw new Problem(401, 'unauthorized');
  if (request.method === 'DELETE') {
    logins.delete(cookieOf(request));
    response.setHeader(
      'set-cookie',
      '__Host-wk=; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0',
    );
    return [204];
  }
  return [200, loginDocument(who)];
}
