/** What the tests of the sender share: a gateway, a clock, a store, and a sender that plays to them. */
import { beforeEach } from 'vitest';
import type { PendingHeartbeat } from '../src/buffer.js';
import { type DeviceKey, deviceKey } from '../src/device.js';
import { Sender } from '../src/sender.js';
import { MemoryStore } from '../src/store.js';
import type { Events } from '../src/types.js';
import { ModelGateway, Time } from './gateway.js';

export let time: Time;
export let gateway: ModelGateway;
export let store: MemoryStore;
export let device: DeviceKey;
export let sender: Sender;
let events: { name: string; event: Events[keyof Events] }[];
/** The number of the next heartbeat. */
export let sequence: number;
let positionMs: number;

export const QUEUE = 'https://gateway ann';

export function newSender(
  more: { fullResponseEvery?: number; sessionKeys?: boolean; session?: string } = {},
  key = Promise.resolve(device),
): Sender {
  sequence = 0;
  return new Sender(
    {
      gateway: 'https://gateway',
      queue: QUEUE,
      module: 'm',
      session: 'one',
      fullResponseEvery: 1,
      sessionKeys: true,
      buffer: { maxHeartbeats: 5, longestMs: 30_000 },
      ...more,
    },
    time.environment(gateway),
    store,
    key,
    (name, event) => events.push({ name, event }),
  );
}

/** As another page, or with other options. */
export function replaceSender(...options: Parameters<typeof newSender>): void {
  sender = newSender(...options);
}

export const of = <K extends keyof Events>(name: K): Events[K][] =>
  events.filter((e) => e.name === name).map((e) => e.event as Events[K]);
export const failures = (): string[] => of('failure').map(({ name, retry }) => `${name} ${retry}`);

/** The heartbeat of the next ten seconds. */
export function nextHeartbeat(more: Partial<PendingHeartbeat> = {}): PendingHeartbeat {
  const fromMs = positionMs;
  positionMs += 10_000;
  return {
    queue: QUEUE,
    sub: 'ann',
    cid: 'm',
    sid: 'one',
    sn: sequence++,
    fromMs,
    toMs: positionMs,
    rate: 1,
    ended: sender.clock.moment({ wallMs: time.wallMs, monoMs: time.monoMs }),
    ...more,
  };
}

/** Ten seconds are played, and reported. */
export async function play(count = 1, more: Partial<PendingHeartbeat> = {}): Promise<void> {
  for (let i = 0; i < count; ++i) {
    time.pass(10_000);
    await sender.add(nextHeartbeat(more));
  }
}

/** Lets timers run until nothing is planned any more. */
export async function runTimers(limit = 50): Promise<void> {
  for (let i = 0; i < limit && time.nextTimerMs !== undefined; ++i) {
    time.pass(time.nextTimerMs + 1);
    await sender.flush();
  }
}

/** Begins anew, with a device that is enrolled. */
export async function reset(): Promise<void> {
  time = new Time();
  gateway = new ModelGateway(() => time.monoMs + Date.parse('2025-11-22T12:00:00Z'));
  store = new MemoryStore();
  device = await deviceKey(store, 'ann');
  gateway.devices.set(device.kid, device.jwk);
  events = [];
  positionMs = 0;
  sender = newSender();
}

beforeEach(reset);
