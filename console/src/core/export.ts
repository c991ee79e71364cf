import { query, request } from './api';

/** The most that the gateway gives in one response. */
export const ROWS_A_PART = 500;

export interface Part {
  text: string;
  /** Where the next part begins; null when nothing has come since. */
  next: string | null;
}

/** One part of the completions as a table, its first line the names of the columns. */
export const completionsPart = (
  parameters: { after: string; student: string; module: string },
  signal: AbortSignal,
): Promise<Part> =>
  request(
    `/v1/completions.csv${query({ ...parameters, limit: ROWS_A_PART })}`,
    'text/csv',
    { signal },
    async (response) => ({
      text: await response.text(),
      next: response.headers.get('x-next-after'),
    }),
  );

/**
 * The whole table, part after part until the gateway has no more. A part that fails fails the
 * export: half a table would pass for a whole one.
 */
export async function wholeTable(
  part: (after: string) => Promise<Part>,
  onRows: (rows: number) => void = () => {},
): Promise<string[]> {
  const texts: string[] = [];
  let rows = 0;
  for (let after = '0'; ; ) {
    const { text, next } = await part(after);
    const head = text.indexOf('\n') + 1;
    if (head === 0) throw new Error('a part has no line of names');
    texts.push(texts.length === 0 ? text : text.slice(head));
    const more = text.split('\n').length - 2;
    rows += more;
    onRows(rows);
    // A part that is not full was the last: what comes while this runs is for the next export.
    if (next === null || more < ROWS_A_PART) return texts;
    if (next === after) throw new Error('a part does not go on');
    after = next;
  }
}

/** Gives the reader a file. */
export function save(texts: string[], type: string, name: string): void {
  const link = document.createElement('a');
  const url = URL.createObjectURL(new Blob(texts, { type }));
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
