// Ports that nothing else takes between their choice and the moment a server listens on them, also while that server
// restarts. The kernel gives the ports of its ephemeral range to any connection and to any listener on port 0, so
// these lie below it; a claim in the abstract socket namespace keeps other tests away, and ends with this process.
import fs from 'node:fs';
import net from 'node:net';
import { event } from './wait.mjs';

const lowest = 10_240;

const endOfRange = () =>
  Number.parseInt(fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);

/** A server that listens as `options` say, or undefined if the address is in use. */
async function listener(options) {
  const server = net.createServer();
  try {
    await event('a listener', server.listen(options), 'listening');
  } catch (error) {
    if (error.code === 'EADDRINUSE') return undefined;
    throw error;
  }
  return server;
}

const claim = (port) => listener({ path: `\0watchkeeper-test-port-${port}` });

async function isFree(port) {
  const server = await listener({ host: '127.0.0.1', port });
  if (!server) return false;
  await event('the port is free again', server.close(), 'close');
  return true;
}

/** A port of 127.0.0.1 that belongs to this process until it ends. */
export async function ownPort() {
  const count = endOfRange() - lowest;
  if (count < 1_000)
    throw new Error(
      `tests need ports from ${lowest} up; net.ipv4.ip_local_port_range starts at ${endOfRange()}`,
    );
  const start = Math.floor(Math.random() * count);
  for (let tried = 0; tried < count; ++tried) {
    const port = lowest + ((start + tried) % count);
    const claimed = await claim(port);
    if (!claimed) continue;
    if (await isFree(port)) {
      claimed.unref();
      return port;
    }
    claimed.close();
  }
  throw new Error(`no port from ${lowest} to ${lowest + count - 1} is free`);
}
