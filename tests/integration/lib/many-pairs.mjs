// Many students, each with a pair in each of many modules, whose heartbeats come in batches.
import assert from 'node:assert/strict';
import { claims, Device } from './device.mjs';

const TOKENS_PER_REQUEST = 16;
const REQUESTS_AT_A_TIME = 16;

/** Calls `work` with 0 … count - 1, some at a time. */
async function forEach(count, work) {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_A_TIME }, worker));
}

export class ManyPairs {
  /** Without limits of a device's rate, because a student plays all modules at once. */
  static settings = '[rate]\ndevice_per_s = 100000\ndevice_burst = 100000\n';

  static async make(gateway, { students, modules, name = 'many' }) {
    const many = new ManyPairs();
    many.gateway = gateway;
    many.modules = Array.from({ length: modules }, (_, i) => `${name}-module-${i}`);
    many.students = Array.from({ length: students }, (_, i) => `${name}-student-${i}`);
    many.devices = [];
    await forEach(modules, (i) => gateway.putModule(many.modules[i], 600_000));
    await forEach(students, async (i) => {
      many.devices[i] = await Device.make();
      await gateway.enrol(many.devices[i], many.students[i]);
    });
    return many;
  }

  get count() {
    return this.students.length * this.modules.length;
  }
  /** Student and module of a pair. Pairs that follow each other are of different students. */
  pair(i) {
    const student = i % this.students.length;
    return { student, module: Math.floor(i / this.students.length) };
  }
  names(i) {
    const { student, module } = this.pair(i);
    return { student: this.students[student], module: this.modules[module] };
  }

  token(i, sequence, from, to) {
    const { student, module } = this.pair(i);
    const device = this.devices[student];
    const played = claims(
      this.students[student],
      this.modules[module],
      `session-${i}`,
      sequence,
      from,
      to,
    );
    return device.rawToken(JSON.stringify(device.header), JSON.stringify(played));
  }

  /** One heartbeat of every pair; each has to be credited. `check`: more about a result. */
  async play(sequence, from, to, check = () => {}) {
    await forEach(Math.ceil(this.count / TOKENS_PER_REQUEST), async (request) => {
      const first = request * TOKENS_PER_REQUEST;
      const which = Array.from(
        { length: Math.min(TOKENS_PER_REQUEST, this.count - first) },
        (_, i) => first + i,
      );
      const response = await this.gateway.send(which.map((i) => this.token(i, sequence, from, to)));
      assert.equal(response.status, 200, response.text);
      for (const result of response.json.results) {
        assert.equal(result.status, 'credited', response.text);
        check(result);
      }
    });
  }
}
