/** Engagement tokens: JWS in compact serialisation (RFC 7515), ES256 or HS256 (RFC 7518). */

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export function base64url(bytes: ArrayBuffer | Uint8Array): string {
  let binary = '';
  for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
}

/** The public half of a P-256 key: exactly the members of an RFC 7638 thumbprint. */
export interface PublicJwk {
  kty: 'EC';
  crv: 'P-256';
  x: string;
  y: string;
}

export async function publicJwk(key: CryptoKey): Promise<PublicJwk> {
  const { x, y } = await crypto.subtle.exportKey('jwk', key);
  return { kty: 'EC', crv: 'P-256', x: x!, y: y! };
}

/** RFC 7638: SHA-256 over the required members, in lexical order and without white space. */
export async function thumbprint({ crv, kty, x, y }: PublicJwk): Promise<string> {
  return base64url(await crypto.subtle.digest('SHA-256', utf8(JSON.stringify({ crv, kty, x, y }))));
}

/** The claims in the order in which they are written; an undefined one is left out. */
export interface TokenClaims {
  sub: string;
  cid: string;
  sid: string;
  sn: number;
  from: number;
  to: number;
  pr?: number | undefined;
  iat: number;
  epk?: PublicJwk | undefined;
  skid?: string | undefined;
}

export interface Token {
  text: string;
  /** `header.payload`, what was signed. */
  signingInput: string;
}

/** By the device's key, or by that of a session, whose `kid` names the session too. */
export async function sign(
  alg: 'ES256' | 'HS256',
  kid: string,
  key: CryptoKey,
  claims: TokenClaims,
): Promise<Token> {
  const header = base64url(utf8(JSON.stringify({ alg, kid, typ: 'engagement+jwt' })));
  const signingInput = `${header}.${base64url(utf8(JSON.stringify(claims)))}`;
  // WebCrypto gives r‖s for ECDSA, which is what RFC 7518 asks for.
  const how = alg === 'ES256' ? { name: 'ECDSA', hash: 'SHA-256' } : 'HMAC';
  const signature = await crypto.subtle.sign(how, key, utf8(signingInput));
  return { text: `${signingInput}.${base64url(signature)}`, signingInput };
}
