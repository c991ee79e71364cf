// What the stand-in knows, in memory.
import fs from 'node:fs';
import path from 'node:path';
import { options } from './options.mjs';

export const startedMs = Date.now();
export const db = {
  modules: {},
  progress: {},
  devices: {},
  completions: [],
  refusals: {},
  seen: {},
  erased: {},
};
if (options.stateFile && fs.existsSync(options.stateFile))
  Object.assign(db, JSON.parse(fs.readFileSync(options.stateFile, 'utf8')));
/** The logins, by cookie. */
export const logins = new Map(Object.entries(db.logins ?? {}));
/** By module: [when, student] of each heartbeat of the last minutes. */
export const activity = new Map();
export const counts = {
  credited: 0,
  limited: 0,
  duplicate: 0,
  rejected: 0,
  problems: {},
  requests: 0,
};
const newSecond = () => ({ credited: 0, limited: 0, duplicate: 0, rejected: {} });
/** What the next event of totals has. */
export let second = newSecond();
export const beginSecond = () => {
  second = newSecond();
};

export function save() {
  if (!options.stateFile) return;
  fs.mkdirSync(path.dirname(options.stateFile), { recursive: true });
  fs.writeFileSync(
    options.stateFile,
    JSON.stringify({ ...db, logins: Object.fromEntries(logins) }),
  );
}

export function activeOf(id) {
  const list = activity.get(id) ?? [];
  while (list.length > 0 && list[0][0] < Date.now() - 300_000) list.shift();
  return new Set(list.filter(([at]) => at > Date.now() - 30_000).map(([, student]) => student))
    .size;
}
