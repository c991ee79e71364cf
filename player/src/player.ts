/**
 * The page of the demonstration: plays a video and shows what the gateway credits.
 *
 * ?student= and ?module= name the pair, ?gateway= another gateway than the page's own, ?video= another
 * playlist; ?heartbeat= and ?interval= (milliseconds) shorten the heartbeats, ?full= makes responses with progress
 * rarer, ?session=off does without session keys, ?buffer= (seconds) loads more of the video ahead.
 * #enrol=<admin token> lets the page enrol its own key. That is for a demonstration: a real page never
 * holds such a token.
 */

import { type ModuleProgress, type Options, type Tracker, track } from '@watchkeeper/web';
import Hls from 'hls.js/light';
import { type Span, Strip, without } from './strip.js';

function element<T extends Element>(id: string): T {
  return document.getElementById(id) as unknown as T;
}

const video = element<HTMLVideoElement>('video');
const strip = new Strip(element<SVGSVGElement>('strip'));
const log = element<HTMLOListElement>('log');
const resume = element<HTMLButtonElement>('resume');
const parameters = new URLSearchParams(location.search);

/** Some name for who has none; the same in this browser from now on. */
function student(): string {
  const given = parameters.get('student');
  if (given) return given;
  const name =
    localStorage.getItem('student') ?? `player-${Math.random().toString(36).slice(2, 8)}`;
  localStorage.setItem('student', name);
  return name;
}

const options: Options = {
  gateway: parameters.get('gateway') ?? location.origin,
  student: student(),
  module: parameters.get('module') ?? 'player-demo',
  // Each response is shown.
  fullResponseEvery: 1,
};
for (const [name, option] of [
  ['heartbeat', 'heartbeatMs'],
  ['interval', 'maxIntervalMs'],
  ['full', 'fullResponseEvery'],
] as const) {
  const value = parameters.get(name);
  if (value) options[option] = Number(value);
}

if (parameters.get('session') === 'off') options.sessionKeys = false;

function notice(text: string): void {
  const line = element<HTMLElement>('notice');
  line.textContent = text;
  line.hidden = text === '';
}

function say(kind: 'result' | 'failure' | 'drop' | 'mastered', what: string, text: string): void {
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString('en-GB');
  const label = document.createElement('span');
  label.className = `what ${kind}`;
  label.textContent = what;
  const rest = document.createElement('span');
  rest.className = 'text';
  rest.textContent = text;
  line.append(time, label, rest);
  log.prepend(line);
  while (log.children.length > 200) log.lastChild?.remove();
}

const clockTime = (ms: number): string =>
  `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`;
const range = ({ fromMs, toMs }: { fromMs: number; toMs: number }): string =>
  `${(fromMs / 1000).toFixed(1)}–${(toMs / 1000).toFixed(1)} s`;

function show(progress: ModuleProgress): void {
  element('percentage').textContent = progress.completionPercentage.toFixed(2);
  element('seconds').textContent = String(progress.secondsWatched);
  const badge = element<HTMLElement>('badge');
  badge.dataset['state'] = progress.state;
  badge.textContent = progress.state === 'MASTERED' ? 'MASTERED' : 'In progress';
}

/** The gateway reports to a device how much was seen, not which parts; this page remembers the credited parts. */
const memory = `coverage ${options.gateway} ${options.student} ${options.module}`;
function remember(): void {
  localStorage.setItem(memory, JSON.stringify(strip.credited));
}
function recall(): void {
  try {
    const spans = JSON.parse(localStorage.getItem(memory) ?? '[]') as Span[];
    strip.add(...spans.filter(([from, to]) => from >= 0 && to > from));
  } catch {
    localStorage.removeItem(memory);
  }
}

/** The demonstration's way to enrol: with the admin token of the link, which leaves the address at once. */
async function enrol(tracker: Tracker): Promise<void> {
  const { kid, jwk, persistent } = await tracker.enrolment();
  element('device').textContent = JSON.stringify(
    { kid, student: options.student, jwk, persistent },
    null,
    2,
  );
  const token = new URLSearchParams(location.hash.slice(1)).get('enrol');
  if (!token) return;
  history.replaceState(null, '', location.pathname + location.search);
  const response = await fetch(`${options.gateway}/v1/devices/${kid}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ student: options.student, jwk }),
  });
  if (!response.ok)
    notice(`The gateway did not enrol this browser: its response was ${response.status}.`);
  else await tracker.flush();
}

/** Draws what this page believes to have played: only for the picture, the reports are the tracker's. */
function drawPlayback(): { resolve: (...spans: Span[]) => void } {
  /** Played, and without a result of the gateway yet. */
  let pending: Span[] = [];
  let fromMs: number | undefined;
  let lastMs = 0;
  const nowMs = (): number => video.currentTime * 1000;
  const draw = (): void => {
    const open: Span[] = fromMs !== undefined && !video.seeking ? [[fromMs, nowMs()]] : [];
    strip.draw([...pending, ...open], video.duration * 1000);
    strip.at(nowMs(), video.duration * 1000);
  };
  const close = (event: Event): void => {
    // After a jump the position says nothing about what was played; the last look does.
    if (fromMs !== undefined) pending.push([fromMs, event.type === 'seeking' ? lastMs : nowMs()]);
    fromMs = undefined;
    draw();
  };
  video.addEventListener('timeupdate', () => {
    if (!video.paused && !video.seeking) {
      lastMs = nowMs();
      fromMs ??= lastMs;
    }
    draw();
  });
  for (const name of ['pause', 'seeking', 'waiting', 'ended']) video.addEventListener(name, close);
  video.addEventListener('loadedmetadata', draw);
  return {
    resolve: (...spans) => {
      if (fromMs !== undefined) {
        pending.push([fromMs, nowMs()]);
        fromMs = nowMs();
      }
      for (const span of spans) pending = without(pending, span);
      draw();
    },
  };
}

function showEvents(tracker: Tracker): void {
  const { resolve } = drawPlayback();
  tracker.on('progress', (progress) => {
    show(progress);
    if (progress.creditedMs > 0)
      strip.add([progress.fromMs, progress.fromMs + progress.creditedMs]);
    else if (progress.status === 'duplicate') strip.add([progress.fromMs, progress.toMs]);
    remember();
    resolve([progress.fromMs, progress.toMs]);
    say(
      'result',
      progress.status,
      `${range(progress)}, ${progress.completionPercentage.toFixed(2)} %`,
    );
  });
  tracker.on('mastered', (progress) => {
    show(progress);
    say('mastered', 'MASTERED', `${progress.secondsWatched} seconds watched`);
  });
  tracker.on('drop', ({ count, reason, heartbeats }) => {
    resolve(...heartbeats.map(({ fromMs, toMs }): Span => [fromMs, toMs]));
    say('drop', `${count} dropped`, `${reason}: ${heartbeats.map(range).join(', ')}`);
  });
  tracker.on('failure', ({ name, status, detail, retry }) => {
    say(
      'failure',
      name,
      `${status > 200 ? status : ''} ${detail} (${{ now: 'sent again', later: 'waits', enrol: 'waits for the enrolment', never: 'dropped' }[retry]})`.trim(),
    );
    if (name === 'unknown-device')
      notice(
        'This browser is not enrolled. Open the link that scripts/run prints, or register the key below; what you play waits meanwhile.',
      );
    if (name === 'storage')
      notice(
        'This browser keeps nothing on disk: what is not sent is lost when the page goes, and so is the key.',
      );
  });
  tracker.on('status', ({ state, buffered, traffic }) => {
    element('buffered').textContent = String(buffered);
    element('connection').textContent = state;
    element('traffic').textContent = `${traffic.heartbeats}`;
    if (
      state !== 'not-enrolled' &&
      element<HTMLElement>('notice').textContent?.includes('not enrolled')
    )
      notice('');
  });
}

function load(): void {
  const source = parameters.get('video') ?? 'media/demo.m3u8';
  if (Hls.isSupported()) {
    const bufferS = Number(parameters.get('buffer'));
    // Fragmented MP4 is only passed on: there is no work for a worker, and the page's policy allows none.
    const hls = new Hls({ enableWorker: false, ...(bufferS > 0 && { maxBufferLength: bufferS }) });
    hls.on(Hls.Events.ERROR, (_, { fatal, details }) => {
      if (fatal)
        notice(`The video cannot be played: ${details}. scripts/make-demo-video makes one.`);
    });
    hls.loadSource(source);
    hls.attachMedia(video);
  } else {
    video.src = source;
  }
}

function controls(): void {
  const rates = [...document.querySelectorAll<HTMLButtonElement>('[data-rate]')];
  for (const button of rates)
    button.addEventListener('click', () => (video.playbackRate = Number(button.dataset['rate'])));
  video.addEventListener('ratechange', () => {
    for (const button of rates)
      button.setAttribute(
        'aria-pressed',
        String(Number(button.dataset['rate']) === video.playbackRate),
      );
  });
  element('skip').addEventListener(
    'click',
    () => (video.currentTime = Math.max(0, video.duration - 2)),
  );
}

async function start(): Promise<void> {
  element('student').textContent = options.student;
  element('module').textContent = options.module;
  recall();
  controls();
  load();
  const tracker = track(video, options);
  showEvents(tracker);
  // For the tests, and for who looks at it in the browser's console.
  Object.assign(window, { tracker });
  const [{ progress }] = await Promise.all([tracker.ready, enrol(tracker)]);
  if (!progress) return;
  show(progress);
  const at = progress.resumeMs;
  if (at > 0) {
    resume.textContent = `Resume at ${clockTime(at)}`;
    resume.hidden = false;
    resume.addEventListener('click', () => {
      video.currentTime = at / 1000;
      resume.hidden = true;
      void video.play();
    });
  }
}

start().catch((error: unknown) => notice(error instanceof Error ? error.message : String(error)));
