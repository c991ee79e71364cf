// What a scenario happens to: players, one or more gateways, Redis and PostgreSQL, and between all of
// them proxies. It also knows how to fix everything, and to judge.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { program, tokens } from '../../integration/lib/gateway.mjs';
import { until, within } from '../../integration/lib/wait.mjs';
import { AckRecord } from './ack-record.mjs';
import { check, ProgressWatch } from './checker.mjs';
import { GatewayProcess } from './gateway-process.mjs';
import { TcpProxy } from './proxy.mjs';
import { Random } from './random.mjs';

export const checkpointIntervalS = 1;
export const moduleMs = 8_000;
const thresholdMs = (moduleMs * 95) / 100;
// Half a second of media 0.4 s apart. Modules are never played twice, so that a piece that was lost
// is not brought back by a second look: there are more than a player comes to.
const playback = { intervalS: 0.4, rate: 2 };
const scenarioSMax = 540;
const modules = Array.from(
  { length: Math.ceil((scenarioSMax * playback.rate * 1000) / moduleMs) },
  (_, i) => `m-${i + 1}`,
);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Whether a call failed because the gateway, a store or the way to it is away: not with a response of another
 * kind, nor by a mistake in these tests. A body that breaks off is no JSON.
 */
const isAway = (error) =>
  !(error instanceof TypeError) &&
  !(error instanceof ReferenceError) &&
  !/^GET progress: (?!503)/.test(error.message);

export class World {
  /**
   * `servers`: {redis, postgres}, running; they are fixed and left at the end. `options`: gateways
   * (how many), devices, connections, clocks (give each gateway a clock that can be stepped).
   * `made` gets the world before anything of it runs, so that it can be closed whatever happens.
   */
  static async make(servers, directory, database, random, options = {}, made = () => {}) {
    const world = new World();
    made(world);
    Object.assign(world, {
      servers,
      directory,
      database,
      random,
      ...servers,
      options: {
        gateways: 1,
        devices: 40,
        connections: 6,
        clocks: false,
        settings: '',
        ...options,
      },
      faults: 0,
      gateways: [],
      redisEmptied: false,
      redisMayLag: false,
    });
    fs.mkdirSync(directory, { recursive: true });
    await world.redis.command('FLUSHALL');
    await world.postgres.query(`CREATE DATABASE ${database}`, 'postgres');
    world.redisProxy = [];
    world.postgresProxy = [];
    // Each gateway has a network of its own.
    for (let i = 1; i <= world.options.gateways; ++i) {
      const redisProxy = await TcpProxy.start(world.redis.target);
      const postgresProxy = await TcpProxy.start(world.postgres.target);
      world.redisProxy.push(redisProxy);
      world.postgresProxy.push(postgresProxy);
      const home = path.join(directory, `gateway-${i}`);
      fs.mkdirSync(home, { recursive: true });
      const clock = world.options.clocks ? path.join(home, 'clock') : null;
      if (clock) fs.writeFileSync(clock, '+0\n');
      world.gateways.push(
        new GatewayProcess(
          `gateway ${i}`,
          home,
          {
            hot: `redis://127.0.0.1:${redisProxy.port}`,
            ledger: `postgresql://watchkeeper@127.0.0.1:${postgresProxy.port}/${database}?sslmode=disable`,
          },
          { checkpointIntervalS, settings: world.options.settings, clock },
        ),
      );
    }
    for (const gateway of world.gateways) await gateway.start();
    world.balancer = await TcpProxy.start(() => world.leastBusy());
    for (const id of modules) {
      const response = await world.gateways[0].request('PUT', `/v1/modules/${id}`, {
        role: 'admin',
        // Never `limited`: what a duplicate promises is then known.
        body: { title: id, duration_ms: moduleMs, max_rate: 16 },
      });
      if (response.status >= 300)
        throw new Error(`PUT module: ${response.status} ${response.text}`);
    }
    world.record = new AckRecord(path.join(directory, 'ack.jsonl'));
    world.startFleet();
    world.watch = new ProgressWatch();
    world.watching = world.watchProgress();
    await world.allPlaying();
    return world;
  }

  get gateway() {
    return this.gateways[0];
  }
  /** How many connections of the players lead to this gateway. */
  connectionsTo(gateway) {
    return [...this.balancer.links].filter(({ target }) => target.port === gateway.port).length;
  }
  /** Where the next connection leads: to a gateway that has the fewest, so that none is left without. */
  leastBusy() {
    const up = this.gateways.filter((gateway) => gateway.isUp);
    if (up.length === 0) return null;
    const least = Math.min(...up.map((gateway) => this.connectionsTo(gateway)));
    const { port } = this.random.pick(
      up.filter((gateway) => this.connectionsTo(gateway) === least),
    );
    return { host: '127.0.0.1', port };
  }
  pause(ms) {
    return pause(ms);
  }
  /** A moment of the seed. */
  async moment(lowMs, highMs) {
    await pause(this.random.between(lowMs, highMs));
  }
  fault() {
    ++this.faults;
  }

  startFleet() {
    this.fleet = spawn(
      program,
      [
        'fleet',
        '--url',
        `https://127.0.0.1:${this.balancer.port}`,
        '--insecure',
        '--admin-token',
        tokens.admin,
        '--devices',
        String(this.options.devices),
        '--connections',
        String(this.options.connections),
        '--interval',
        String(playback.intervalS),
        '--playback-rate',
        String(playback.rate),
        '--duration',
        String(scenarioSMax),
        '--no-create-modules',
        ...modules.flatMap((id) => ['--module', id]),
        '--student-prefix',
        's-',
        '--seed',
        String(this.random.between(1, 1e6)),
        '--ack-log',
        this.record.file,
        '--quiet',
        '--json',
        '--request-timeout',
        '3',
        '--drain',
        '8',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.fleetSaid = '';
    for (const output of [this.fleet.stdout, this.fleet.stderr])
      output.on('data', (piece) => (this.fleetSaid += piece));
    this.fleetEnded = new Promise((resolve) =>
      this.fleet.once('exit', (code, signal) => resolve({ code, signal })),
    );
  }

  /**
   * No fault begins before this: every player has its connection, and a heartbeat of it was acknowledged.
   * From then on the gateways know every device, and what is sent reaches a gateway.
   */
  async allPlaying() {
    await until(
      'every player has an acknowledged heartbeat',
      () => {
        if (this.fleet.exitCode !== null)
          throw new Error(`the players have ended: ${this.fleetSaid}`);
        return this.record.read().players.size >= this.options.devices;
      },
      { timeoutMs: 60_000, everyMs: 20 },
    );
  }

  /** Waits until heartbeats are acknowledged again: as many as there are devices. */
  async flowing(when, timeoutMs = 60_000) {
    const before = this.record.read().counts.acknowledged;
    await until(
      `heartbeats are acknowledged ${when}`,
      () => {
        if (this.fleet.exitCode !== null)
          throw new Error(`the players have ended: ${this.fleetSaid}`);
        return this.record.read().counts.acknowledged >= before + this.options.devices;
      },
      { timeoutMs, everyMs: 20 },
    );
  }
  /** True when nothing was acknowledged for the time; the responses in flight may still come first. */
  async silent(ms) {
    const before = this.record.read().counts.acknowledged;
    await pause(ms);
    return this.record.read().counts.acknowledged === before;
  }

  /** Kills a gateway and starts it again. */
  async killGateway(gateway = this.gateway, { again = true } = {}) {
    this.fault();
    const end = await gateway.end('SIGKILL');
    if (end.signal !== 'SIGKILL')
      throw new Error(`${gateway.name} had ended before: ${JSON.stringify(end)}\n${gateway.said}`);
    if (again) await gateway.start();
  }

  /**
   * I4, all the while: reads the progress of pairs that were acknowledged last, at each gateway. A read
   * that began before another ended may show less than that one; one reader reads one after the other.
   */
  async watchProgress() {
    // Of its own: how often it looks must not change what befalls the world.
    const chance = new Random(this.random.between(1, 1e6), 'watch');
    while (!this.isOver) {
      const { recent } = this.record.read();
      const up = this.gateways.filter((gateway) => gateway.isUp && gateway.client);
      if (recent.length === 0 || up.length === 0) {
        await pause(50);
        continue;
      }
      const pair = chance.pick(recent);
      const gateway = chance.pick(up);
      try {
        const blind = this.mayShowLess?.(gateway) ?? false;
        const state = await gateway.progress(pair);
        if (blind || this.mayShowLess?.(gateway)) ++this.watch.blind;
        else
          this.watch.saw(`${gateway.name}, start ${gateway.starts}`, pair, state?.coverage ?? []);
      } catch (error) {
        // It is away, or does not know: that is no fall. A response of another kind is a fault.
        if (!isAway(error)) {
          this.watchFailure = error;
          return;
        }
      }
      await pause(10);
    }
  }

  // -- the end ------------------------------------------------------------------------------------

  /** Everything is as it should be again. */
  async fix() {
    for (const proxy of [...this.redisProxy, ...this.postgresProxy, this.balancer]) {
      proxy.delayMs = 0;
      proxy.set('pass');
    }
    this.redis.resume();
    this.postgres.resume();
    for (const gateway of this.gateways) if (!gateway.isUp) await gateway.start();
    await this.settings(this.redis, ['maxmemory', '0'], ['min-replicas-to-write', '0']);
    await this.redis.command('REPLICAOF', 'NO', 'ONE');
  }
  async settings(redis, ...pairs) {
    for (const [name, value] of pairs) await redis.command('CONFIG', 'SET', name, value);
  }

  /** The players stop; what is in flight is answered; the stores come to rest. */
  async settle() {
    await this.flowing('once everything is fixed', 60_000);
    // Without a mastered pair the third rule would have nothing to look at.
    await until(
      'a pair is mastered',
      async () => (await this.postgres.completions(this.database)).length > 0,
      { timeoutMs: 60_000, everyMs: 100 },
    );
    this.fleet.kill('SIGTERM');
    await within('the players end', this.fleetEnded, 90_000);
    this.isOver = true;
    await this.watching;
    if (this.watchFailure) throw this.watchFailure;
    if (this.watch.looks < 10)
      throw new Error(`nobody looked at the progress: ${this.watch.looks} looks`);
    this.record.read();
    for (const gateway of this.gateways)
      await until(
        `${gateway.name} has its hot store back`,
        async () => {
          const { status, degraded } = await gateway.readiness();
          return status === 200 && degraded === false;
        },
        { timeoutMs: 60_000 },
      );
    // I5 says within one checkpoint interval: one that had begun may have to end first.
    const begun = Date.now();
    await until(
      'every pair is checkpointed',
      async () => {
        const pairs = await this.redis.dirtyPairs();
        if (pairs > 0) throw new Error(`${pairs} pairs wait for the ledger`);
        return true;
      },
      { timeoutMs: 90_000, everyMs: 100 },
    );
    this.settledMs = Date.now() - begun;
  }

  async verify() {
    const holders = new Map([
      ['redis', await this.redis.progress()],
      ['postgres', await this.postgres.progress(this.database)],
    ]);
    const names = new Set([
      ...this.record.pairs.keys(),
      ...holders.get('redis').keys(),
      ...holders.get('postgres').keys(),
    ]);
    const completions = await this.postgres.completions(this.database);
    for (const gateway of this.gateways) {
      const states = new Map();
      for (const name of names) {
        const state = await gateway.progress(name);
        if (state) states.set(name, state);
      }
      holders.set(`api of ${gateway.name}`, states);
      completions.push(...(await gateway.completions()));
    }
    const readers = [
      'table of completions',
      ...this.gateways.map((gateway) => `outbox of ${gateway.name}`),
    ];
    this.pairs = names.size;
    this.mastered = [...holders.get('postgres').values()].filter((state) => state.mastered).length;
    return check({
      pairs: this.record.pairs,
      holders,
      completions,
      readers,
      falls: this.watch.falls,
      mayLack: new Set(this.redisEmptied ? ['redis'] : []),
      mayLag: new Set(this.redisMayLag ? ['redis'] : []),
      thresholdOf: () => thresholdMs,
    });
  }

  /** Ends what is left, whatever state it is in. */
  async close() {
    this.isOver = true;
    if (this.fleet?.exitCode === null) this.fleet.kill('SIGKILL');
    for (const gateway of this.gateways)
      if (gateway.isUp) await gateway.end('SIGKILL').catch(() => {});
    for (const proxy of [...(this.redisProxy ?? []), ...(this.postgresProxy ?? []), this.balancer])
      await proxy?.stop();
    await this.watching;
  }
}
