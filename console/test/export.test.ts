import { describe, expect, test } from 'vitest';
import { type Part, ROWS_A_PART, wholeTable } from '../src/core/export';

/** A gateway with so many rows, numbered from 1. */
const table =
  (rows: number, asked: string[] = []) =>
  async (after: string): Promise<Part> => {
    asked.push(after);
    const from = Number(after) + 1;
    const to = Math.min(rows, Number(after) + ROWS_A_PART);
    let text = 'sequence,student\r\n';
    for (let row = from; row <= to; ++row) text += `${row},s${row}\r\n`;
    return { text, next: to >= from ? String(to) : null };
  };

describe('the export of a table', () => {
  test('has every row once and the names once, however many parts there are', async () => {
    for (const rows of [0, 1, ROWS_A_PART - 1, ROWS_A_PART, ROWS_A_PART + 1, 3 * ROWS_A_PART]) {
      const lines = (await wholeTable(table(rows))).join('').split('\r\n');
      expect(lines.shift()).toBe('sequence,student');
      expect(lines.pop()).toBe('');
      expect(lines).toEqual(Array.from({ length: rows }, (_, at) => `${at + 1},s${at + 1}`));
    }
  });
  test('ends with a part that is not full, although more come meanwhile', async () => {
    const asked: string[] = [];
    await wholeTable(table(ROWS_A_PART + 3, asked));
    expect(asked).toEqual(['0', String(ROWS_A_PART)]);
  });
  test('fails as a whole when a part fails or does not go on', async () => {
    const part = table(2 * ROWS_A_PART);
    await expect(
      wholeTable(async (after) =>
        after === '0' ? part(after) : Promise.reject(new Error('away')),
      ),
    ).rejects.toThrow('away');
    await expect(wholeTable(async () => ({ ...(await part('0')), next: '0' }))).rejects.toThrow(
      'does not go on',
    );
  });
});
