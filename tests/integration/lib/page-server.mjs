// Serves the player page from an origin of its own, as a learning platform would.
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';
import { selfSignedCertificate } from './certificate.mjs';
import { runSync } from './command.mjs';
import { root } from './stores.mjs';
import { event } from './wait.mjs';

const types = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
  m3u8: 'application/vnd.apple.mpegurl',
  m4s: 'video/iso.segment',
  mp4: 'video/mp4',
};

export class PageServer {
  /**
   * `folders`: what lies under which path, the most particular first. `api`: responds to what is below /v1/, in
   * place of a gateway. `secure`: false for http://localhost, where a page may have keys as well.
   */
  static async start(folders, { api, secure = true } = {}) {
    const server = new PageServer();
    const { key, certificate } = selfSignedCertificate();
    const options = { key, cert: certificate, allowHTTP1: true };
    server.sockets = new Set();
    const serve = (request, response) => {
      if (api && request.url.startsWith('/v1/')) {
        api(request, response);
        return;
      }
      const where = decodeURIComponent(new URL(request.url, 'https://page').pathname);
      const [prefix, folder] = Object.entries(folders).find(([at]) => where.startsWith(at)) ?? [];
      const wanted = folder && path.join(folder, where.slice(prefix.length) || 'index.html');
      if (!wanted?.startsWith(folder) || !fs.existsSync(wanted)) {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, {
        'content-type': types[wanted.split('.').at(-1)] ?? 'application/octet-stream',
      });
      response.end(fs.readFileSync(wanted));
    };
    server.listener = secure ? http2.createSecureServer(options, serve) : http.createServer(serve);
    server.listener.on(secure ? 'secureConnection' : 'connection', (socket) => {
      server.sockets.add(socket);
      socket.on('close', () => server.sockets.delete(socket));
      socket.on('error', () => {});
    });
    await event('the page server listens', server.listener.listen(0, '127.0.0.1'), 'listening');
    server.origin = `${secure ? 'https' : 'http'}://127.0.0.1:${server.listener.address().port}`;
    return server;
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    const closed = event('the page server ends', this.listener, 'close');
    this.listener.close();
    return closed;
  }
}

/** The page and its video, both built if they are not there. */
export function playerFolders(seconds, name = 'demo-video') {
  const media = path.join(root, 'build', name);
  runSync(path.join(root, 'scripts', 'build-web'), [], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 170_000,
  });
  runSync(path.join(root, 'scripts', 'make-demo-video'), [media, String(seconds)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { page: path.join(root, 'player', 'dist'), media };
}

/** The gateway's own settings that serve both, with the policy that scripts/run gives the page. */
export function playerSettings({ page, media }) {
  const policy = fs
    .readFileSync(path.join(root, 'player', 'content-security-policy'), 'utf8')
    .trim();
  return (
    `[[static]]\npath = "/player/"\nfolder = "${page}"\nimmutable = "assets/"\n` +
    `content_security_policy = "${policy}"\n` +
    `[[static]]\npath = "/player/media/"\nfolder = "${media}"\n`
  );
}
