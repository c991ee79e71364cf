// Stopping and reloading while clients are busy: no response is lost, and nobody is turned away.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { writeCertificate } from '../integration/lib/certificate.mjs';
import { Gateway } from '../integration/lib/gateway.mjs';
import { RawHttp2, type } from '../integration/lib/raw-http2.mjs';
import { temporaryDirectory } from '../integration/lib/stores.mjs';
import { describe, test } from '../integration/lib/test.mjs';
import { until, within } from '../integration/lib/wait.mjs';
import { Bystander } from './lib.mjs';

/** {name, resumed, session} of a connection that waited for its ticket. */
const visitOf = (port, session) =>
  within(
    'a visit',
    new Promise((resolve, reject) => {
      const socket = tls.connect({
        port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
        session,
      });
      let name;
      let resumed;
      socket.on('secureConnect', () => {
        resumed = socket.isSessionReused();
        name = socket.getPeerCertificate().subject?.CN;
      });
      let ticket = session;
      socket.on('session', (sent) => (ticket = sent));
      // The server's SETTINGS, behind its ticket.
      socket.once('data', () => {
        resolve({ name, resumed, session: ticket });
        socket.destroy();
      });
      socket.on('error', reject);
    }),
  );

describe('signals under load', () => {
  test('SIGTERM: every request up to the last number of the GOAWAY is answered', async () => {
    const gateway = await Gateway.start();
    try {
      const clients = await Promise.all(
        Array.from({ length: 20 }, () => RawHttp2.connect({ port: gateway.port, secure: true })),
      );
      const lastOf = (client) =>
        Math.min(
          ...client.frames
            .filter((f) => f.type === type.goaway)
            .map((f) => f.payload.readUInt32BE(0)),
        );
      const busy = clients.map(async (client) => {
        client.greet();
        for (client.sent = 0; !client.closed && lastOf(client) >= 0x7fff_ffff; ) {
          client.get(1 + 2 * client.sent++, '/v1/keys');
          if (client.sent % 8 === 0)
            await client.until(
              'some responses',
              () =>
                client.closed ||
                lastOf(client) < 0x7fff_ffff ||
                [...client.responses.values()].filter((a) => a.ended).length > client.sent - 60,
            );
          await new Promise((resolve) => setImmediate(resolve));
        }
        await client.ended();
      });
      await until('all to be served', () => clients.every((c) => c.sent > 50));
      const ended = gateway.end('SIGTERM');
      await Promise.all(busy);
      assert.deepEqual(await ended, { code: 0, signal: null }, gateway.log);
      for (const client of clients) {
        assert.equal(client.goaway, 0);
        const last = lastOf(client);
        assert.ok(last < 0x7fff_ffff && last >= 1, `the last number is ${last}`);
        for (let stream = 1; stream <= Math.min(last, 2 * client.sent - 1); stream += 2)
          assert.equal(client.response(stream).ended, true, `stream ${stream} of ${last}`);
      }
    } finally {
      gateway.remove();
    }
  });

  test('SIGHUP: good and bad certificates and ticket keys, while every client comes anew', async () => {
    const directory = temporaryDirectory('reload');
    const file = (name) => path.join(directory, name);
    const certificate = (name) =>
      writeCertificate({ key: file('key.pem'), certificate: file('certificate.pem') }, name);
    const keyLine = () => crypto.randomBytes(80).toString('hex');
    certificate('first');
    fs.writeFileSync(file('tickets'), `${keyLine()}\n`, { mode: 0o600 });
    const gateway = await Gateway.start({
      settings:
        `[tls]\ncertificate = "${file('certificate.pem')}"\n` +
        `key = "${file('key.pem')}"\nticket_keys = "${file('tickets')}"\n`,
    });
    const visit = (session) => visitOf(gateway.port, session);
    const bystanders = Array.from(
      { length: 4 },
      (_, i) => new Bystander(gateway, { fresh: i % 2 === 0 }),
    );
    const served = () => Promise.all(bystanders.map((one) => one.servedAgain()));
    const reload = async (said) => {
      const times = gateway.log.split(said).length;
      gateway.child.kill('SIGHUP');
      await until(`the log to say: ${said}`, () => gateway.log.split(said).length > times);
    };
    try {
      await served();
      let { session, name } = await visit();
      assert.equal(name, 'first');
      for (let round = 1; round <= 5; ++round) {
        certificate(`round-${round}`);
        fs.writeFileSync(
          file('tickets'),
          `${keyLine()}\n${fs.readFileSync(file('tickets'), 'utf8').split('\n')[0]}\n`,
        );
        await reload('"message":"reloaded"');
        assert.equal((await visit()).name, `round-${round}`);
        const again = await visit(session); // sealed by the key that is the second now
        assert.equal(again.resumed, true);
        session = again.session;
        await served();
        for (const [bad, text] of [
          ['certificate.pem', 'no certificate'],
          ['key.pem', ''],
          ['tickets', `${keyLine()}x\n`],
        ]) {
          const good = fs.readFileSync(file(bad));
          fs.writeFileSync(file(bad), text);
          await reload('the certificate was not reloaded; the old one stays');
          assert.equal((await visit()).name, `round-${round}`);
          assert.equal((await visit(session)).resumed, true);
          await served();
          fs.writeFileSync(file(bad), good);
        }
      }
      await Promise.all(bystanders.map((one) => one.stop()));
      for (const one of bystanders) assert.deepEqual(one.failed, []);
    } finally {
      await Promise.all(bystanders.map((one) => one.stop()));
      await gateway.stop();
      fs.rmSync(directory, { recursive: true });
    }
  });
});
