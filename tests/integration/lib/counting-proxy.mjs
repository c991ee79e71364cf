// A TCP proxy that counts what passes: what a heartbeat costs with TLS and HTTP/2, as a wire sees it.
import net from 'node:net';
import { event } from './wait.mjs';

export class CountingProxy {
  static async start(port) {
    const proxy = new CountingProxy();
    proxy.up = 0;
    proxy.down = 0;
    proxy.connections = 0;
    proxy.sockets = new Set();
    proxy.server = net.createServer((client) => {
      ++proxy.connections;
      const gateway = net.connect(port, '127.0.0.1');
      for (const socket of [client, gateway]) {
        proxy.sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => proxy.sockets.delete(socket));
      }
      client.on('data', (chunk) => (proxy.up += chunk.length));
      gateway.on('data', (chunk) => (proxy.down += chunk.length));
      client.pipe(gateway).pipe(client);
    });
    await event('the proxy listens', proxy.server.listen(0, '127.0.0.1'), 'listening');
    proxy.origin = `https://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    const closed = event('the proxy ends', this.server, 'close');
    this.server.close();
    return closed;
  }
}
