// A TCP proxy on loopback that can be as bad as a network is: cut, refusing, slow, half-open.
import net from 'node:net';
import { event } from '../../integration/lib/wait.mjs';

/**
 * Modes of what goes through, from now on and on open connections:
 *   pass     as it comes
 *   refuse   open connections are cut, new ones too, at once
 *   hold     nothing arrives at either side, and nobody notices (a pulled cable)
 *   mute     requests arrive, responses do not (they are lost, not late)
 * and `delayMs` for each piece in each direction. Connections that had bytes taken from them are
 * cut when the mode changes: TCP never delivers a stream with a hole.
 */
export class TcpProxy {
  /** `target`: {path} of a unix socket or {host, port}; or a function that gives one a connection. */
  static async start(target) {
    const proxy = new TcpProxy();
    proxy.target = typeof target === 'function' ? target : () => target;
    proxy.mode = 'pass';
    proxy.delayMs = 0;
    proxy.links = new Set();
    proxy.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      proxy.accept(client),
    );
    proxy.server.listen(0, '127.0.0.1');
    await event('the proxy listens', proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  accept(client) {
    const target = this.mode === 'refuse' ? null : this.target();
    client.on('error', () => {});
    if (!target) return client.resetAndDestroy();
    const store = net.connect({ ...target, allowHalfOpen: true, noDelay: true });
    const link = { client, store, target, holed: false, timers: new Set() };
    this.links.add(link);
    store.on('error', () => this.cutLink(link));
    client.on('error', () => this.cutLink(link));
    client.on('close', () => this.cutLink(link));
    store.on('close', () => this.cutLink(link));
    this.carry(link, client, store, 'requests');
    this.carry(link, store, client, 'responses');
  }

  /** One direction, in order, each piece (and the end) after the delay of its time. */
  carry(link, from, to, what) {
    let line = Promise.resolve();
    const pass = (deliver) => {
      if (this.mode === 'hold' || (this.mode === 'mute' && what === 'responses')) {
        link.holed = true;
        return;
      }
      const waitMs = this.delayMs;
      if (waitMs === 0 && link.timers.size === 0) return deliver();
      // Later pieces wait behind earlier ones, whatever the delay has become.
      line = line.then(
        () =>
          new Promise((resolve) => {
            const timer = setTimeout(() => {
              link.timers.delete(timer);
              deliver();
              resolve();
            }, waitMs);
            link.timers.add(timer);
          }),
      );
    };
    from.on('data', (piece) =>
      pass(() => {
        if (to.destroyed || to.writableEnded) return;
        if (to.write(piece)) return;
        from.pause();
        to.once('drain', () => from.resume());
      }),
    );
    from.on('end', () => pass(() => to.end()));
  }

  cutLink(link) {
    if (!this.links.delete(link)) return;
    for (const timer of link.timers) clearTimeout(timer);
    if (!link.client.destroyed) link.client.resetAndDestroy();
    link.store.destroy(); // of a unix socket, which knows no reset
  }

  /** Ends every open connection (or those that `which` picks) with a reset. */
  cut(which = () => true) {
    let count = 0;
    for (const link of [...this.links]) {
      if (!which(link)) continue;
      this.cutLink(link);
      ++count;
    }
    return count;
  }

  set(mode) {
    this.mode = mode;
    if (mode === 'refuse') this.cut();
    else this.cut((link) => link.holed);
  }

  async stop() {
    this.cut();
    const closed = event('the proxy ends', this.server, 'close');
    this.server.close();
    await closed;
  }
}
