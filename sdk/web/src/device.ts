/** The device's key: made here, stored in IndexedDB, impossible to take out. */
import type { Store } from './store.js';
import { type PublicJwk, publicJwk, thumbprint } from './token.js';

/** What the learning platform's backend registers with the gateway. */
export interface Enrolment {
  /** RFC 7638 thumbprint of `jwk`; names the device. */
  kid: string;
  /** The public key. There is no way to the private one. */
  jwk: PublicJwk;
  /** Whether the key outlives the page. If not, the device is another one after a reload. */
  persistent: boolean;
}

export interface DeviceKey {
  kid: string;
  jwk: PublicJwk;
  privateKey: CryptoKey;
}

/** The key of this browser for this student; made when there is none. One for all tabs. */
export async function deviceKey(store: Store, student: string): Promise<DeviceKey> {
  if (!globalThis.crypto?.subtle) throw new Error('watchkeeper: must be https: or localhost');
  const name = `device ${student}`;
  const found = await store.getOrPut<DeviceKey>(name);
  if (found) return found;
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'sign',
  ]);
  const jwk = await publicJwk(pair.publicKey);
  const made: DeviceKey = { kid: await thumbprint(jwk), jwk, privateKey: pair.privateKey };
  // Another tab may have been faster: then its key is the key.
  return (await store.getOrPut(name, made))!;
}
