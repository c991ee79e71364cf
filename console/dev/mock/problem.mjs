/** What a call responds with when it fails (RFC 9457). */
export class Problem extends Error {
  constructor(status, name, detail = '', headers = {}) {
    super(detail);
    Object.assign(this, { status, name, headers });
  }
}
