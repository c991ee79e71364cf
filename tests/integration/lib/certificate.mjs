import fs from 'node:fs';
import net from 'node:net';
import { runSync } from './command.mjs';

/** {key, certificate}, as PEM texts: a new P-256 key and its certificate for `name`, a DNS name or an address. */
export function selfSignedCertificate(name = '127.0.0.1') {
  const text = runSync(
    'openssl',
    [
      'req',
      '-x509',
      ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`],
      ...['-addext', `subjectAltName=${net.isIP(name) ? 'IP' : 'DNS'}:${name}`],
      ...['-keyout', '-'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const at = text.indexOf('-----BEGIN CERTIFICATE-----');
  return { key: text.slice(0, at), certificate: text.slice(at) };
}

/** The same, written to files of these names. `key` may be left out. */
export function writeCertificate({ key, certificate }, name) {
  const made = selfSignedCertificate(name);
  if (key) fs.writeFileSync(key, made.key, { mode: 0o600 });
  fs.writeFileSync(certificate, made.certificate);
}
