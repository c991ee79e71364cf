// The proxy does what its modes say: otherwise a fault that is injected would be none.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from '../integration/lib/test.mjs';
import { event, until } from '../integration/lib/wait.mjs';
import { TcpProxy } from './lib/proxy.mjs';

let server, proxy, received;
before(async () => {
  received = '';
  server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      received += piece;
      socket.write(`<${piece}>`);
    });
  });
  server.listen(0, '127.0.0.1');
  await event('the server listens', server, 'listening');
  proxy = await TcpProxy.start({ host: '127.0.0.1', port: server.address().port });
});
after(async () => {
  await proxy.stop();
  server.close();
});

async function connect() {
  const socket = net.connect(proxy.port, '127.0.0.1');
  const end = { socket, heard: '', closed: false };
  socket.on('data', (piece) => (end.heard += piece));
  socket.on('error', () => {});
  socket.on('close', () => (end.closed = true));
  // A proxy that refuses may close it first.
  await event('the connection', socket, 'connect').catch(() => until('the end', () => end.closed));
  return end;
}

test('passes on, both ways', async () => {
  const end = await connect();
  end.socket.write('a');
  await until('the echo', () => end.heard === '<a>');
  end.socket.destroy();
});
test('mute: the request arrives, the response never; the connection does not outlive the mode', async () => {
  const end = await connect();
  proxy.set('mute');
  received = '';
  end.socket.write('b');
  await until('the request', () => received === 'b');
  // On its way still, it would be passed on once the mode has changed.
  await until('the response was taken', () => [...proxy.links].some((link) => link.holed));
  assert.equal(end.heard, '');
  assert.equal(end.closed, false);
  proxy.set('pass');
  await until('the end', () => end.closed);
  assert.equal(end.heard, '');
});
test('hold: nothing arrives, nobody notices', async () => {
  const end = await connect();
  end.socket.write('c');
  await until('the echo', () => end.heard === '<c>');
  received = '';
  proxy.set('hold');
  end.socket.write('d');
  await until('the piece was taken', () => [...proxy.links].some((link) => link.holed));
  assert.deepEqual([received, end.heard, end.closed], ['', '<c>', false]);
  proxy.set('pass');
  await until('the end', () => end.closed);
  assert.equal(received, '');
});
test('refuse: open connections and new ones end', async () => {
  const end = await connect();
  proxy.set('refuse');
  await until('the end', () => end.closed);
  const other = await connect();
  await until('the end', () => other.closed);
  proxy.set('pass');
});
test('a delay keeps the order', async () => {
  const end = await connect();
  proxy.delayMs = 60;
  const begun = Date.now();
  end.socket.write('1');
  await until('the first was taken', () => [...proxy.links].some((link) => link.timers.size > 0));
  proxy.delayMs = 0;
  end.socket.write('2');
  await until('both responses', () => /^<1>?/.test(end.heard) && end.heard.includes('2'));
  assert.ok(Date.now() - begun >= 55);
  end.socket.destroy();
});
