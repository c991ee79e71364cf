import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ViewProps } from '../app';
import { api, Problem, query, type CompletionEvent } from '../core/api';
import { amend } from '../core/place';
import { pathOf } from '../core/router';
import { Ring } from '../core/ring';
import { useNow, useRedraw, useRevision } from '../core/use';
import { Icon } from '../parts/icons';
import { Loading, Notice, ProblemNotice } from '../parts/states';
import { t } from '../text/en';
import { clock, fullDateTime, percent, since } from '../text/format';

/** The outbox can only be read forwards: so many pages at a go, the newest of them are kept. */
const PAGE = 500;
const PAGES_AT_A_GO = 20;
const KEPT = 2_000;
const SHOWN_FIRST = 100;
const AGAIN_MS = 3_000;

interface Feed {
  of: string;
  events: Ring<CompletionEvent>;
  count: number;
  after: string;
  /** Everything up to now was read. */
  at_end: boolean;
}

export function Completions({ search }: ViewProps) {
  const revision = useRevision();
  const student = search.get('student') ?? '';
  const module = search.get('module') ?? '';
  const start = search.get('after') ?? '0';
  const of = JSON.stringify([student, module, start, revision]);
  const feed = useRef<Feed | undefined>(undefined);
  const [problem, setProblem] = useState<Problem>();
  const [shown, setShown] = useState(SHOWN_FIRST);
  const [turn, setTurn] = useState(0);
  const redraw = useRedraw();
  const now_ms = useNow(10_000);
  const go_on = useRef<() => void>(() => {});

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const held: Feed = { of, events: new Ring(KEPT), count: 0, after: start, at_end: false };
    const run = async () => {
      timer = undefined;
      try {
        for (let page = 0; page < PAGES_AT_A_GO; ++page) {
          const { items, next } = await api.completions({ after: held.after, limit: PAGE, student, module }, signal);
          for (const event of items) held.events.push(event);
          held.count += items.length;
          held.at_end = next === null || items.length < PAGE;
          if (next !== null) held.after = next;
          if (held.at_end) break;
        }
        feed.current = held;
        setProblem(undefined);
        redraw();
      } catch (error) {
        if (signal.aborted) return;
        setProblem(error instanceof Problem ? error : new Problem('fault', 0, String(error)));
        // What was there stays; a refusal will not change by asking again.
        if (error instanceof Problem && error.status >= 400 && error.status < 500) return;
      }
      if (!signal.aborted && (held.at_end || feed.current !== held)) timer = setTimeout(run, AGAIN_MS);
    };
    go_on.current = () => void run();
    if (feed.current?.of !== of) {
      feed.current = undefined;
      setShown(SHOWN_FIRST);
    }
    void run();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [of, turn]);

  const retry = useCallback(() => setTurn((n) => n + 1), []);
  const held = feed.current?.of === of ? feed.current : undefined;
  const words = t.completions;
  const filtered = student !== '' || module !== '';
  const events = held?.events.toArray().reverse() ?? [];
  return (
    <>
      <header class="view-head">
        <div>
          <h1>{words.title}</h1>
          <p class="lead">{words.lead}</p>
        </div>
        <a class="button" href={`/v1/completions.csv${query({ after: '0', student, module })}`} download="completions.csv">
          <Icon name="down" size={16} />
          {words.csv}
        </a>
      </header>
      <form
        class="toolbar"
        role="search"
        aria-label={words.filter}
        onSubmit={(event) => {
          event.preventDefault();
          const { elements } = event.currentTarget;
          const value = (name: string) => (elements.namedItem(name) as HTMLInputElement).value.trim();
          amend({ student: value('student'), module: value('module'), after: undefined });
        }}
      >
        <label class="inline-field">
          <span>{words.student}</span>
          <input name="student" key={`student ${student}`} defaultValue={student} autocomplete="off" spellcheck={false} />
        </label>
        <label class="inline-field">
          <span>{words.module}</span>
          <input name="module" key={`module ${module}`} defaultValue={module} autocomplete="off" spellcheck={false} />
        </label>
        <button type="submit" class="button">{words.filter}</button>
        {filtered && (
          <button type="button" class="button quiet" onClick={() => amend({ student: undefined, module: undefined })}>
            {words.clear}
          </button>
        )}
        {held && <span class="count push-left">{words.count(held.count)}</span>}
      </form>
      {problem?.status === 400 && !held ? (
        <Notice
          icon="alert"
          title={t.state.bad_cursor_title}
          action={
            <button type="button" class="button" onClick={() => amend({ after: undefined, student: undefined, module: undefined })}>
              {t.state.from_start}
            </button>
          }
        >
          {problem.detail || t.state.bad_cursor}
        </Notice>
      ) : problem && !held ? (
        <ProblemNotice problem={problem} retry={retry} />
      ) : !held ? (
        <Loading />
      ) : events.length === 0 ? (
        <Notice icon="completions" title={filtered ? words.none_match : words.none_title}>
          {filtered ? undefined : words.none}
        </Notice>
      ) : (
        <>
          <div class="card flush">
            <table class="completions-table">
              <thead>
                <tr>
                  <th scope="col">{words.when}</th>
                  <th scope="col">{words.student}</th>
                  <th scope="col">{words.module}</th>
                  <th scope="col" class="right">{words.watched}</th>
                  <th scope="col" class="right">{words.done}</th>
                  <th scope="col" class="right">{words.threshold}</th>
                </tr>
              </thead>
              <tbody>
                {events.slice(0, shown).map(({ id, data }) => {
                  const at_ms = Date.parse(data.mastered_at);
                  return (
                    <tr key={id}>
                      <td title={fullDateTime(at_ms)} data-label={words.when}>{since(at_ms, now_ms)}</td>
                      <td data-label={words.student}><a href={pathOf({ view: 'student', student: data.student })}>{data.student}</a></td>
                      <td data-label={words.module}><a href={pathOf({ view: 'module', module: data.module })}>{data.module}</a></td>
                      <td class="right" data-label={words.watched}>{clock(data.seconds_watched * 1000)}</td>
                      <td class="right" data-label={words.done}>{percent(data.completion_percentage)}</td>
                      <td class="right faint" data-label={words.threshold}>{percent(data.threshold)}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
          {shown < events.length && (
            <button type="button" class="button centre" onClick={() => setShown(shown + SHOWN_FIRST)}>{t.table.more}</button>
          )}
          {shown >= events.length && held.count > events.length && <p class="faint">{words.kept(events.length)}</p>}
          {!held.at_end && (
            <button type="button" class="button centre" onClick={() => go_on.current()}>{words.on}</button>
          )}
          {problem && <p class="refused" role="alert">{t.state.unreachable_title}</p>}
        </>
      )}
    </>
  );
}
