/** Numbers, times and plurals, all through Intl; times in the viewer's own zone. */

/** The language of the messages, with the reader's region where it is one of that language. */
export const locale: string =
  (typeof navigator === 'undefined' ? [] : navigator.languages).find((name) =>
    /^en(-|$)/.test(name),
  ) ?? 'en-GB';

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const twoDigits = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
const compactNumber = new Intl.NumberFormat(locale, {
  notation: 'compact',
  maximumFractionDigits: 1,
});
const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
const rules = new Intl.PluralRules(locale);
const ordinals = new Intl.PluralRules(locale, { type: 'ordinal' });
const timeOnly = new Intl.DateTimeFormat(locale, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const dayAndTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const dayOnly = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const fullTime = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' });
const ago = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'narrow' });

export const number = (value: number): string => whole.format(value);
export const decimal = (value: number): string => oneDigit.format(value);
export const fine = (value: number): string => twoDigits.format(value);
export const compact = (value: number): string =>
  (value < 10_000 ? whole : compactNumber).format(value);

/** 0 … 100; never rounded up, so that 94.99 does not look like the 95 it has to reach. */
export const percent = (value: number): string =>
  percents.format(Math.floor(value * 10 + 1e-9) / 1000);

/** 0 … 1 and beyond. */
export const share = (value: number): string => percents.format(value);

/** One of the forms by the plural rules of the language; "{n}" stands for the number. */
export function plural(n: number, forms: { one?: string; other: string }): string {
  const form = (rules.select(n) === 'one' ? forms.one : undefined) ?? forms.other;
  return form.replace('{n}', number(n));
}

/** As `plural`, for the place in a row: 2nd, 3rd, 11th. */
export function ordinal(
  n: number,
  forms: { one: string; two: string; few: string; other: string },
): string {
  const rule = ordinals.select(n) as keyof typeof forms;
  return forms[rule].replace('{n}', number(n));
}

/** Media time as on a player: 0:07, 12:03, 1:02:03. */
export function clock(ms: number): string {
  const seconds = Math.floor(Math.max(ms, 0) / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

export const clockRange = (fromMs: number, toMs: number): string =>
  `${clock(fromMs)}–${clock(toMs)}`;

export const timeOfDay = (atMs: number): string => timeOnly.format(atMs);
export const date = (atMs: number): string => dayOnly.format(atMs);
export const dateTime = (atMs: number): string => dayAndTime.format(atMs);
export const fullDateTime = (atMs: number): string => fullTime.format(atMs);

/** "now", "4 min ago", and the date where it was more than a week ago. */
export function since(atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1000);
  const far = Math.abs(seconds);
  if (!Number.isFinite(atMs)) return '–';
  if (far < 5) return ago.format(0, 'second');
  if (far < 60) return ago.format(seconds, 'second');
  if (far < 3600) return ago.format(Math.trunc(seconds / 60), 'minute');
  if (far < 86_400) return ago.format(Math.trunc(seconds / 3600), 'hour');
  if (far < 7 * 86_400) return ago.format(Math.trunc(seconds / 86_400), 'day');
  return dayAndTime.format(atMs);
}

/** Microseconds, in the unit that reads best. */
export function microseconds(us: number): string {
  if (us < 1000) return `${whole.format(us)} µs`;
  if (us < 100_000) return `${oneDigit.format(us / 1000)} ms`;
  return us < 1_000_000 ? `${whole.format(us / 1000)} ms` : `${oneDigit.format(us / 1_000_000)} s`;
}

/** A stretch of time, in the unit that reads best. */
export function span(ms: number): string {
  if (ms < 1000) return `${whole.format(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 90) return `${oneDigit.format(seconds)} s`;
  if (seconds < 5400) return `${whole.format(seconds / 60)} min`;
  if (seconds < 172_800) return `${oneDigit.format(seconds / 3600)} h`;
  return `${whole.format(seconds / 86_400)} d`;
}

export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    ++at;
  }
  return `${(value < 10 ? oneDigit : whole).format(value)} ${units[at]}`;
}
