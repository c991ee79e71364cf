// Students for the stand-in: some watch through, some skip, some leave, some come back for a part.

/** A generator of numbers 0 … 1 from a seed, so that a picture can be made again. */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const catalogue = [
  ['fire-safety-1', 'Fire safety, part 1: extinguishers and alarms', 600_000],
  ['fire-safety-2', 'Fire safety, part 2: evacuation', 480_000],
  ['data-protection', 'Data protection for everybody', 1_260_000],
  ['first-aid', 'First aid at work', 2_400_000],
  ['ladder-work', 'Working at height <b>&amp; ladders</b>', 360_000],
  ['forklift-basics', 'Forklift basics', 900_000],
  ['hygiene-kitchen', 'Kitchen hygiene', 540_000],
  ['onboarding-2026', 'Welcome: your first week', 300_000],
];
const names =
  'ada ben carla dev elif farid greta hugo ines jonas kaya lars mina noor otto pia quinn rosa sami tess uma vito wren xenia yara zoe'.split(
    ' ',
  );

/** One student of so many was reset once. */
const RESET_EVERY = 9;
const reasons = [
  ['implausible-interval', 'skipping', 'to − from is 54,000 ms; at most 30,000'],
  [null, 'too_fast', ''],
  ['bad-signature', 'spoofing', 'the signature does not verify'],
  ['stale-token', 'clock', 'iat is 1,204 s behind'],
  [null, 'replay', 'number 17 of this session was credited before'],
  ['not-assigned', 'other', 'the module is not assigned'],
];

function addCatalogue(modules, now) {
  for (const [module, title, durationMs] of catalogue)
    modules[module] = {
      module,
      title,
      duration_ms: durationMs,
      mastery_threshold: 95,
      max_rate: 2,
      updated_at: new Date(now - 9e8).toISOString(),
      ...(module === 'fire-safety-1' ? { preview_url: '/preview/fire-safety-1.mp4' } : {}),
    };
}

/** Where a student ends: through, at one of the two places where many leave, or anywhere. */
function endOf(random, duration) {
  const kind = random();
  let share = 1;
  if (kind > 0.66) share = 0.1 + random() * 0.88;
  else if (kind > 0.58) share = 0.71;
  else if (kind > 0.45) share = 0.42;
  return Math.round((duration * share) / 1000) * 1000;
}

/** One student watches one module. `play` credits a piece. */
function watch(random, duration, play) {
  const end = endOf(random, duration);
  const skip =
    random() < 0.14 ? [end * 0.3, end * (0.4 + random() * 0.3)].map(Math.round) : undefined;
  for (let position = 0; position < end; ) {
    if (skip && position >= skip[0] && position < skip[1]) {
      position = skip[1];
      continue;
    }
    const next = Math.min(position + 10_000, end, skip && position < skip[0] ? skip[0] : end);
    play(position, next);
    position = next;
  }
  for (const [from, to, often] of [
    [0.22, 0.27, 0.55],
    [0.6, 0.63, 0.4],
  ])
    if (end > duration * to && random() < often)
      play(Math.round(duration * from), Math.round(duration * to));
  if (skip) play(Math.max(end - 8000, 0), end);
}

function refusalAt(random, atMs) {
  const [problem, kind, detail] = reasons[Math.floor(random() ** 1.5 * reasons.length)];
  return {
    at: new Date(atMs).toISOString(),
    module: catalogue[Math.floor(random() * 3)][0],
    device: 'yZ4Lz0nT3o4sXG1mX0cQnC2b0h6mK5rXJq2o6Qv6u3M',
    session: '4f1c9a52-7d0e-4c55-9a55-0b6c1c6b9e11',
    sequence: Math.floor(random() * 60),
    status: problem ? 'rejected' : kind === 'too_fast' ? 'limited' : 'duplicate',
    problem,
    detail,
    kind,
    refused: null,
  };
}

function addDevices(random, devices, student, now) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (const algorithm of ['ES256', 'EdDSA']) {
    const kid = Array.from({ length: 43 }, () => alphabet[Math.floor(random() * 64)]).join('');
    devices[kid] = {
      kid,
      student,
      algorithm,
      jwk: {},
      revoked: algorithm === 'EdDSA' && random() < 0.4,
      created_at: new Date(now - random() * 4e9).toISOString(),
    };
  }
}

/** And some of them are watching right now. */
function keepPlaying({ random, db, credit, refuse, rate }, students) {
  const playing = students.map((student) => ({
    student,
    module: catalogue[Math.floor(random() ** 2 * 6)][0],
    at: Math.floor(random() * 30) * 10_000,
  }));
  setInterval(() => {
    const one = playing[Math.floor(Math.random() * playing.length)];
    const { duration_ms: durationMs } = db.modules[one.module];
    if (one.at >= durationMs) one.at = 0;
    if (Math.random() < 0.04) return refuse(one.student, refusalAt(random, Date.now()));
    credit(one.student, one.module, one.at, Math.min(one.at + 10_000, durationMs));
    one.at += 10_000;
  }, 1000 / rate);
}

export function generate({ db, credit, progressOf, refuse, students, rate }) {
  const random = seeded(8141);
  const now = Date.now();
  addCatalogue(db.modules, now);
  const ids = Array.from(
    { length: students },
    (_, at) => `${names[at % names.length]}.${String(1000 + at * 7)}`,
  );
  const shares = [1, 0.7, 0.5, 0.35, 0.25, 0.15, 0.06];
  for (const [at, share] of shares.entries()) {
    const [module, , duration] = catalogue[at];
    for (const [number, student] of ids.entries()) {
      if (random() > share) continue;
      progressOf(student, module, number % RESET_EVERY === 0 ? 2 : 1);
      const seenMs = now - Math.floor(random() ** 3 * 20 * 86_400_000) - 5_000;
      watch(random, duration, (from, to) => credit(student, module, from, to, seenMs));
    }
  }
  for (const student of ids.slice(0, 40)) {
    const times = Array.from(
      { length: 4 + Math.floor(random() * 30) },
      () => now - random() * 5_400_000,
    ).sort((a, b) => a - b);
    for (const atMs of times) refuse(student, refusalAt(random, atMs));
    addDevices(random, db.devices, student, now);
  }
  if (rate > 0)
    keepPlaying({ random, db, credit, refuse, rate }, ids.slice(0, Math.min(students, rate * 10)));
}
