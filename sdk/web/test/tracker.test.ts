import { IDBFactory as FakeFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { enrolment, Tracker } from '../src/tracker.js';
import { ModelGateway, Time } from './gateway.js';

/** As much of a media element as the tracker looks at. */
class Media extends EventTarget {
  currentTime = 0;
  playbackRate = 1;
  paused = true;
  ended = false;
  seeking = false;
  readonly time: Time;

  constructor(time: Time) {
    super();
    this.time = time;
  }
  say(name: string): void {
    this.dispatchEvent(new Event(name));
  }
  /** Plays on, with four events a second as browsers have them. */
  play(ms: number): void {
    this.paused = false;
    this.say('play');
    for (let left = ms; left > 0; left -= 250) {
      const step = Math.min(250, left);
      this.time.pass(step);
      this.currentTime += step / 1000;
      this.say('timeupdate');
    }
  }
  pause(): void {
    this.paused = true;
    this.say('pause');
  }
}

let time: Time;
let gateway: ModelGateway;
const trackers: Tracker[] = [];

beforeEach(() => {
  time = new Time();
  gateway = new ModelGateway(() => time.monoMs + Date.parse('2025-11-22T12:00:00Z'));
  vi.stubGlobal('indexedDB', new FakeFactory());
  vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }));
  vi.stubGlobal('window', new EventTarget());
});
afterEach(async () => {
  for (const tracker of trackers.splice(0)) await tracker.stop();
  vi.unstubAllGlobals();
});

function arrive(media = new Media(time), student = 'ann'): { media: Media; tracker: Tracker } {
  const tracker = new Tracker(
    media as unknown as HTMLMediaElement,
    { gateway: 'https://gateway', student, module: 'm' },
    time.environment(gateway),
  );
  trackers.push(tracker);
  return { media, tracker };
}
const heartbeats = (): number => gateway.requests.filter(({ tokens }) => tokens.length).length;

test('an id that URLs drop from a path is refused', () => {
  for (const student of ['.', '..', '', 'a b'])
    expect(() => arrive(undefined, student)).toThrow(TypeError);
  expect(() => arrive(undefined, '...')).not.toThrow();
});

test('a new page sends at once what waited for the enrolment, and nobody has to flush', async () => {
  const { media, tracker } = arrive();
  await tracker.ready;
  media.play(20_000);
  media.pause();
  await vi.waitFor(() =>
    expect(tracker.status()).toMatchObject({ state: 'not-enrolled', buffered: 2 }),
  );
  await tracker.stop();
  const { kid, jwk } = await tracker.enrolment();
  // While it stays there, the page that was refused asks no more.
  const before = heartbeats();
  time.pass(3_600_000);
  expect(heartbeats()).toBe(before);
  gateway.devices.set(kid, jwk);
  gateway.maxAgeMs = 7_200_000;

  const next = arrive();
  await vi.waitFor(() => expect(gateway.coveredMs).toBe(20_000));
  expect(next.tracker.status().state).not.toBe('not-enrolled');
});

test('a new page of a device that is still not enrolled asks once, and keeps what it has', async () => {
  const { media, tracker } = arrive();
  await tracker.ready;
  media.play(10_000);
  await vi.waitFor(() => expect(tracker.status().state).toBe('not-enrolled'));
  await tracker.stop();
  const before = heartbeats();
  const next = arrive();
  await vi.waitFor(() => expect(heartbeats()).toBe(before + 1));
  await vi.waitFor(() =>
    expect(next.tracker.status()).toMatchObject({ state: 'not-enrolled', buffered: 1 }),
  );
});

test('a new page does not wait for what an earlier one failed in, but for what the gateway asked for', async () => {
  const { media, tracker } = arrive();
  const { kid, jwk } = await tracker.enrolment();
  gateway.devices.set(kid, jwk);
  gateway.intercept = () => new TypeError('Failed to fetch');
  time.random = 1;
  media.play(10_000);
  await vi.waitFor(() => expect(tracker.status().nextTryMs).toBeGreaterThan(0));
  await tracker.stop();
  gateway.intercept = ({ tokens }) =>
    tokens.length
      ? Response.json(
          { type: 'urn:watchkeeper:problem:overloaded', title: 'overloaded' },
          { status: 503, headers: { 'retry-after': '30' } },
        )
      : undefined;
  const second = arrive();
  await vi.waitFor(() => expect(second.tracker.status().nextTryMs).toBeGreaterThanOrEqual(30_000));
  await second.tracker.stop();
  gateway.intercept = undefined;
  const before = heartbeats();
  const third = arrive();
  await third.tracker.flush();
  expect(heartbeats()).toBe(before);
  time.pass(61_000);
  await vi.waitFor(() => expect(gateway.coveredMs).toBe(10_000));
});

test('without IndexedDB the key that was enrolled is that of every tracker, and so are the heartbeats', async () => {
  vi.stubGlobal('indexedDB', undefined);
  const { kid, jwk, persistent } = await enrolment('bob');
  expect(persistent).toBe(false);
  gateway.devices.set(kid, jwk);
  gateway.intercept = () => new TypeError('Failed to fetch');
  const { media, tracker } = arrive(undefined, 'bob');
  await tracker.ready;
  expect((await tracker.enrolment()).kid).toBe(kid);
  media.play(20_000);
  media.pause();
  await vi.waitFor(() => expect(tracker.status().buffered).toBe(2));
  await tracker.stop();
  gateway.intercept = undefined;
  arrive(undefined, 'bob');
  await vi.waitFor(() => expect(gateway.coveredMs).toBe(20_000));
});

test('a tracker that was stopped and is asked to flush emits the results, and nothing fails', async () => {
  const { media, tracker } = arrive();
  const { kid, jwk } = await tracker.enrolment();
  gateway.devices.set(kid, jwk);
  gateway.intercept = () => new TypeError('Failed to fetch');
  media.play(20_000);
  media.pause();
  await vi.waitFor(() => expect(tracker.status().buffered).toBe(2));
  const heard: string[] = [];
  tracker.on('progress', ({ sequence }) => heard.push(`progress ${sequence}`));
  await tracker.stop();
  tracker.on('failure', ({ name }) => heard.push(name));
  gateway.intercept = undefined;
  time.pass(3_600);
  await tracker.flush();
  expect(gateway.coveredMs).toBe(20_000);
  expect(heard).toEqual(['progress 0']); // both intervals, joined
});
