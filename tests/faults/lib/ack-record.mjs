// The device side's record (`watchkeeper fleet --ack-log`): what was sent, and what was answered.
// Each line is written by one write(2) before anything else is sent for its device, so it is there
// whatever happens to the gateway and its stores; the machine's own death is not simulated.
import fs from 'node:fs';

const promises = new Set(['credited', 'limited', 'duplicate', 'accepted']);

export const pairOf = (student, module) => `${student}/${module}`;

export class AckRecord {
  constructor(file) {
    this.file = file;
    this.offset = 0;
    this.rest = '';
    this.pairs = new Map();
    this.counts = { sent: 0, acknowledged: 0, retried: 0, rejected: 0, limited: 0, duplicate: 0 };
    this.problems = new Map();
    this.recent = []; // pairs that were acknowledged last, newest at the end
    this.responses = new Map(); // of a heartbeat (kid, sid, sn): the part that its first response promised
    this.players = new Set(); // kids that have had a heartbeat acknowledged
    this.open = new Map(); // of a heartbeat that was sent and not answered: {number, pair, interval}
  }

  /** Reads what was appended since. A last line that is cut waits for its end. */
  read() {
    let descriptor;
    try {
      descriptor = fs.openSync(this.file, 'r');
    } catch (error) {
      if (error.code === 'ENOENT') return this;
      throw error;
    }
    try {
      const size = fs.fstatSync(descriptor).size;
      const bytes = Buffer.alloc(size - this.offset);
      fs.readSync(descriptor, bytes, 0, bytes.length, this.offset);
      // The lines are ASCII: no character is cut in two.
      const lines = (this.rest + bytes.toString('latin1')).split('\n');
      this.offset = size;
      this.rest = lines.pop();
      for (const line of lines) this.take(JSON.parse(line));
    } finally {
      fs.closeSync(descriptor);
    }
    return this;
  }

  take(line) {
    const name = pairOf(line.student, line.module);
    const pair = this.pairs.get(name) ?? { sent: [], promised: [], limited: false };
    this.pairs.set(name, pair);
    const heartbeat = `${line.kid}/${line.sid}/${line.sn}`;
    if (line.event === 'sent') {
      const interval = [line.from, line.to];
      this.open.set(heartbeat, { number: this.counts.sent, pair: name, interval });
      ++this.counts.sent;
      pair.sent.push(interval);
      return;
    }
    this.open.delete(heartbeat);
    if (!promises.has(line.status)) {
      const what = line.problem ?? line.error ?? 'unknown';
      this.problems.set(what, (this.problems.get(what) ?? 0) + 1);
      ++this.counts[line.status === 'retry' ? 'retried' : 'rejected'];
      return;
    }
    ++this.counts.acknowledged;
    this.players.add(line.kid);
    if (line.status in this.counts) ++this.counts[line.status];
    const promised = this.promisedBy(line, pair);
    if (promised) pair.promised.push(promised);
    if (this.recent.at(-1) !== name) this.recent.push(name);
    if (this.recent.length > 256) this.recent.splice(0, 128);
  }

  /** Those without a response, of the heartbeats that were sent after the first `count`: {pair, interval}. */
  withoutResultAfter(count) {
    return [...this.open.values()].filter(({ number }) => number >= count);
  }

  /** What this response promises: of a limited heartbeat the beginning, of a duplicate what it got. */
  promisedBy(line, pair) {
    const heartbeat = `${line.kid}/${line.sid}/${line.sn}`;
    if (line.status === 'duplicate') {
      const known = this.responses.get(heartbeat);
      if (known) return known;
      // The first response was lost. Only where pieces were cut may it have been less than all.
      if (pair.limited) return null;
    }
    if (line.status === 'limited') pair.limited = true;
    const to = line.status === 'limited' ? line.from + line.credited_ms : line.to;
    const promised = [line.from, to];
    this.responses.set(heartbeat, promised);
    return promised;
  }
}
