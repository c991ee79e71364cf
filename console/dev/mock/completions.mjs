// `/v1/completions` and `/v1/completions.csv`.
import { Problem } from './problem.mjs';
import { db } from './state.mjs';

function wantedBy(search) {
  const after = search.get('after') ?? '0';
  if (!/^\d+$/.test(after))
    throw new Problem(400, 'malformed-request', 'after: a number that a page gave as next');
  return db.completions
    .map((one, at) => ({ ...one, at: at + 1 }))
    .filter(
      ({ at, data }) =>
        at > Number(after) &&
        (!search.get('student') || data.student === search.get('student')) &&
        (!search.get('module') || data.module === search.get('module')),
    );
}

export function completionsTable({ search }) {
  const lines = wantedBy(search).map(({ at, data }) =>
    [
      at,
      data.student,
      data.module,
      data.seconds_watched,
      data.completion_percentage,
      data.mastered_at,
    ].join(','),
  );
  const head = 'sequence,student,module,seconds_watched,completion_percentage,mastered_at';
  const text = [head, ...lines].map((line) => `${line}\r\n`).join('');
  return [200, text, { 'content-type': 'text/csv' }];
}

export function completions({ search }) {
  const wanted = wantedBy(search);
  const isNewestFirst = search.get('order') === 'desc';
  const before = Number(search.get('before') ?? Infinity);
  const items = (isNewestFirst ? wanted.reverse().filter(({ at }) => at < before) : wanted).slice(
    0,
    Number(search.get('limit') ?? 100),
  );
  const document = {
    items: items.map(({ at, ...one }) => one),
    next: items.length > 0 ? String(items.at(-1).at) : null,
  };
  if (isNewestFirst) document.newest = items.length > 0 ? String(items[0].at) : null;
  return [200, document];
}
