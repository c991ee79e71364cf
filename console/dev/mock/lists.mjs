// Lists in pages, and what they show of a progress.
import { Problem } from './problem.mjs';
import { lengthOf } from './ranges.mjs';

export function page(all, search, key, most = 500) {
  const limit = Number(search.get('limit') ?? 100);
  if (!(limit >= 1 && limit <= most))
    throw new Problem(400, 'malformed-request', 'limit: 1 to 500');
  const cursor = search.get('cursor');
  let from = 0;
  if (cursor) {
    const text = Buffer.from(cursor, 'base64url').toString();
    from = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(from <= all.length))
      throw new Problem(400, 'malformed-request', 'cursor: not one of this list');
  }
  const items = all.slice(from, from + limit);
  const next =
    from + limit < all.length ? Buffer.from(String(from + limit)).toString('base64url') : null;
  return { items: items.map(key), next, ...(cursor ? {} : { total: all.length }) };
}

export const shown = ({ passes, ...document }) => ({
  ...document,
  rewatched_ms: Math.max(0, document.playtime_ms - lengthOf(document.coverage)),
});

const rank = { too_fast: 0, skipping: 1, stalled: 2, nearly_done: 3, none: 4 };
function attention(document) {
  if (document.state === 'MASTERED') return 'none';
  for (let at = 1; at < document.coverage.length; ++at)
    if (
      document.coverage[at][0] - document.coverage[at - 1][1] > 5000 &&
      document.resume_ms >= document.coverage[at][0]
    )
      return 'skipping';
  if (Date.now() - Date.parse(document.updated_at) > 86_400_000) return 'stalled';
  return document.completion_percentage >= 80 ? 'nearly_done' : 'none';
}

/** The students of a module, each with `attention`; `order` as the query of the call. */
export function studentsOf(progress, order) {
  const all = Object.values(progress).map((one) => ({ ...one, attention: attention(one) }));
  if (order !== 'attention') return all.sort((a, b) => (a.student < b.student ? -1 : 1));
  return all.sort(
    (a, b) =>
      (a.state === 'MASTERED') - (b.state === 'MASTERED') ||
      rank[a.attention] - rank[b.attention] ||
      (a.updated_at < b.updated_at ? 1 : -1),
  );
}
