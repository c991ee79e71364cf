#!/usr/bin/env node
// A stand-in for the gateway, for working on the console: the calls the console makes, on generated
// data. It verifies no signature and stores nothing durably. The product is the gateway itself.
//
// usage: console/dev/mock-gateway.mjs [--port 8444] [--students 400] [--rate 20]
//        console/dev/mock-gateway.mjs --config FILE   takes the place of `watchkeeper` in a test
import { spawn } from 'node:child_process';
import http2 from 'node:http2';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { selfSignedCertificate } from '../../tests/integration/lib/certificate.mjs';
import { asset } from './mock/assets.mjs';
import { call } from './mock/calls.mjs';
import { credit, progressOf, refuse } from './mock/credit.mjs';
import { openLive } from './mock/live.mjs';
import { login, whoIs } from './mock/login.mjs';
import { options } from './mock/options.mjs';
import { Problem } from './mock/problem.mjs';
import { counts, db, save } from './mock/state.mjs';
import { generate } from './mock-data.mjs';

// The simulated players are the real program's.
const [, , command] = process.argv;
if (command === 'fleet') {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const program =
    process.env.WATCHKEEPER_FLEET_PROGRAM ?? path.join(here, '../../build/release/watchkeeper');
  spawn(program, process.argv.slice(2), { stdio: 'inherit' }).on('exit', (code) =>
    process.exit(code ?? 1),
  );
  await new Promise(() => {});
}

function sendProblem(response, error) {
  const problem = error instanceof Problem ? error : new Problem(500, 'fault', String(error.stack));
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    ...problem.headers,
  });
  response.end(
    JSON.stringify({
      type: `urn:watchkeeper:problem:${problem.name}`,
      title: problem.name,
      status: problem.status,
      detail: problem.message,
      server_time: Date.now() / 1000,
    }),
  );
}

function serve(request, response, body) {
  const url = new URL(request.url, 'https://mock');
  ++counts.requests;
  try {
    if (url.pathname === '/readyz') return void response.writeHead(200).end('{}');
    if (url.pathname === '/console' || url.pathname.startsWith('/console/'))
      return void asset(url.pathname, response);
    if (!url.pathname.startsWith('/v1/')) throw new Problem(404, 'not-found');
    const who = whoIs(request);
    if (
      who?.byCookie &&
      request.method !== 'GET' &&
      request.headers['x-watchkeeper-csrf'] !== who.csrf &&
      url.pathname !== '/v1/session'
    )
      throw new Problem(403, 'forbidden', 'The csrf field is missing.');
    if (url.pathname === '/v1/live') return void openLive(request, response, url, who);
    const [status, document, headers] =
      url.pathname === '/v1/session'
        ? login(request, response, body)
        : call(request.method, url, who, body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(
      document === undefined
        ? undefined
        : typeof document === 'string'
          ? document
          : JSON.stringify(document),
    );
  } catch (error) {
    sendProblem(response, error);
  }
}

const { key, certificate } = selfSignedCertificate('localhost');
const server = http2.createSecureServer({ key, cert: certificate, allowHTTP1: true });
server.on('sessionError', () => {});
server.on('request', (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => serve(request, response, Buffer.concat(chunks).toString()));
});
server.listen(options.port, '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    save();
    process.exit(0);
  });
if (!options.stateFile) {
  generate({ db, credit, progressOf, refuse, students: options.students, rate: options.rate });
  const tokens = options.tokens.map(({ role }) => `${role}-secret`).join(', ');
  console.log(`https://localhost:${options.port}/console/   tokens: ${tokens}`);
}
