import type { ModuleInput, ModulePatch } from './api';

/** What somebody typed about a module, and what is wrong with it. Pure. */
export interface ModuleText {
  id: string;
  title: string;
  duration: string;
  threshold: string;
  rate: string;
  preview: string;
}
export type ModuleMistakes = Partial<Record<keyof ModuleText, true>>;

/** A control character: below the space, or DEL. */
const CONTROL = /[^ -~\u0080-\u{10ffff}]/u;
export const ID = /^(?!\.{1,2}$)[A-Za-z0-9._~:@-]{1,64}$/;

/** "90" is seconds, "1:30" minutes and seconds, "1:02:03" hours as well; a fraction may follow. */
export function parseDuration(text: string): number | undefined {
  const match = /^(?:(?:(\d{1,2}):)?(\d{1,4}):)?(\d{1,5}(?:\.\d{1,3})?)$/.exec(text.trim());
  if (!match) return undefined;
  const [, hours, minutes, seconds] = match;
  if (minutes !== undefined && Number(seconds) >= 60) return undefined;
  if (hours !== undefined && Number(minutes) >= 60) return undefined;
  const ms = Math.round(
    ((Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds)) * 1000,
  );
  return ms >= 1 && ms <= 86_400_000 ? ms : undefined;
}

/** A duration so that `parseDuration` gives it back exactly. */
export function durationText(ms: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const seconds = Math.floor(ms / 1000);
  const rest = ms % 1000 === 0 ? '' : `.${String(ms % 1000).padStart(3, '0')}`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}${rest}`;
}

export function parseModule(text: ModuleText): {
  input: ModuleInput | undefined;
  mistakes: ModuleMistakes;
} {
  const mistakes: ModuleMistakes = {};
  const title = text.title.trim();
  if (!ID.test(text.id)) mistakes.id = true;
  if (title === '' || new TextEncoder().encode(title).length > 512 || CONTROL.test(title))
    mistakes.title = true;
  const durationMs = parseDuration(text.duration);
  if (durationMs === undefined) mistakes.duration = true;
  const threshold = Number(text.threshold.replace(',', '.'));
  if (text.threshold.trim() === '' || !(threshold > 0 && threshold <= 100))
    mistakes.threshold = true;
  const rate = Number(text.rate.replace(',', '.'));
  if (text.rate.trim() === '' || !(rate >= 0.25 && rate <= 16)) mistakes.rate = true;
  const preview = text.preview.trim();
  if (preview !== '' && !/^(https:\/\/[^\s]+|\/(?!\/)[^\s]*)$/.test(preview))
    mistakes.preview = true;
  if (Object.keys(mistakes).length > 0) return { input: undefined, mistakes };
  return {
    input: {
      title,
      duration_ms: durationMs!,
      mastery_threshold: Math.round(threshold * 100) / 100,
      max_rate: Math.round(rate * 1000) / 1000,
      ...(preview ? { preview_url: preview } : {}),
    },
    mistakes,
  };
}

/**
 * What somebody changed, compared with what the form showed at first: the rest stays as it is, even
 * if another person changed it meanwhile.
 */
export function changesOf(before: ModuleInput | undefined, after: ModuleInput): ModulePatch {
  const members = new Set([...Object.keys(before ?? {}), ...Object.keys(after)]);
  const changed = [...(members as Set<keyof ModuleInput>)].filter(
    (name) => before?.[name] !== after[name],
  );
  return Object.fromEntries(changed.map((name) => [name, after[name] ?? null]));
}
