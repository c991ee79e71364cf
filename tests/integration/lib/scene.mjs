// One student with an enrolled device and a session, ready to send.
import assert from 'node:assert/strict';
import { claims, Device, uuid } from './device.mjs';

let scenes = 0;

export class Scene {
  /** A module and a student of its own unless they are given. */
  static async make(
    gateway,
    { alg = 'ES256', module, student, durationMs = 60_000, more = {} } = {},
  ) {
    const scene = new Scene();
    scene.gateway = gateway;
    const number = ++scenes;
    scene.student = student ?? `student-${process.pid}-${number}`;
    scene.module = module ?? `module-${process.pid}-${number}`;
    if (!module) await gateway.putModule(scene.module, durationMs, more);
    scene.device = await Device.make(alg);
    await gateway.enrol(scene.device, scene.student);
    scene.sid = uuid();
    scene.sn = 0;
    return scene;
  }

  claims(from, to, over = {}) {
    return claims(this.student, this.module, this.sid, this.sn++, from, to, over);
  }
  token(from, to, over = {}) {
    return this.device.token(this.claims(from, to, over));
  }
  async play(from, to, over = {}) {
    return this.gateway.send(await this.token(from, to, over));
  }
  /** Sends and gives the one result of a 200. */
  async credited(from, to, over = {}) {
    const response = await this.play(from, to, over);
    assert.equal(response.status, 200, response.text);
    return response.json.results[0];
  }
  progress() {
    return this.gateway.progress(this.student, this.module);
  }
}

/** Checks a problem+json response: its status and name. */
export function assertProblem(response, status, name) {
  assert.equal(response.status, status, `${response.status}: ${response.text}`);
  assert.equal(response.headers['content-type'], 'application/problem+json');
  const body = response.json;
  assert.equal(body.type, `urn:watchkeeper:problem:${name}`, response.text);
  assert.equal(body.status, status);
  assert.equal(typeof body.title, 'string');
  assert.ok(Math.abs(body.server_time * 1000 - Date.now()) < 60_000, response.text);
  assert.ok(response.headers.date);
  if (status === 429 || status === 503) assert.match(response.headers['retry-after'], /^[0-9]+$/);
}

/** Total length of a union of [from, to] pairs; gaps up to 250 ms are closed. */
export function union(intervals, gapMs = 250) {
  const sorted = [...intervals].sort((a, b) => a[0] - b[0]);
  const joined = [];
  for (const [from, to] of sorted) {
    const last = joined.at(-1);
    if (last && from - last[1] <= gapMs) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}
export const lengthOf = (intervals) => intervals.reduce((sum, [from, to]) => sum + to - from, 0);
