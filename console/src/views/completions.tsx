import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { api, type CompletionEvent, Problem } from '../core/api';
import { amend } from '../core/place';
import { pathOf } from '../core/router';
import { useNow, useRedraw, useRevision } from '../core/use';
import { ExportButton } from '../parts/export-button';
import { Loading, Notice, ProblemNotice } from '../parts/states';
import { t } from '../text/en';
import { clock, fullDateTime, percent, since } from '../text/format';
import type { ViewProps } from './props';

const PAGE = 100;
const NEWS = 500;
const KEPT = 2_000;
const AGAIN_MS = 3_000;

/** What is on the page, the newest first. */
interface Feed {
  of: string;
  events: CompletionEvent[];
  /** Older ones are asked for from here on; null: there are none. */
  before: string | null;
  /** Everything up to here is known. */
  newest: string;
}

export function Completions({ search }: ViewProps) {
  const revision = useRevision();
  const student = search.get('student') ?? '';
  const module = search.get('module') ?? '';
  const of = JSON.stringify([student, module, revision]);
  const feed = useRef<Feed | undefined>(undefined);
  const [problem, setProblem] = useState<Problem>();
  const [turn, setTurn] = useState(0);
  const redraw = useRedraw();
  const nowMs = useNow(10_000);
  const reading = useRef(false);

  /** The next older ones, or the newest where nothing was read yet. */
  const older = async (signal?: AbortSignal) => {
    const held = feed.current?.of === of ? feed.current : undefined;
    const { items, next, newest } = await api.completions(
      { order: 'desc', before: held?.before ?? undefined, limit: PAGE, student, module },
      signal,
    );
    if (feed.current?.of === of ? feed.current !== held : held) return;
    const before = items.length < PAGE ? null : next;
    feed.current = held
      ? { ...held, events: [...held.events, ...items].slice(0, KEPT), before }
      : { of, events: items, before, newest: newest ?? '0' };
  };
  /** What has come since. */
  const newer = async (held: Feed, signal: AbortSignal) => {
    const { items, next } = await api.completions(
      { after: held.newest, limit: NEWS, student, module },
      signal,
    );
    if (next === null || feed.current?.of !== of) return;
    const events = [...items.reverse(), ...feed.current.events].slice(0, KEPT);
    feed.current = { ...feed.current, events, newest: next };
  };
  const asProblem = (error: unknown) =>
    error instanceof Problem ? error : new Problem('fault', 0, String(error));

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      timer = undefined;
      try {
        const held = feed.current;
        if (held?.of === of) await newer(held, signal);
        else await older(signal);
        if (signal.aborted) return;
        setProblem(undefined);
        redraw();
      } catch (error) {
        if (signal.aborted) return;
        const found = asProblem(error);
        setProblem(found);
        // What was there stays; a refusal will not change by asking again.
        if (found.status >= 400 && found.status < 500) return;
      }
      timer = setTimeout(run, AGAIN_MS);
    };
    void run();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [of, turn]);

  const more = async () => {
    if (reading.current) return;
    reading.current = true;
    try {
      await older();
      redraw();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      reading.current = false;
    }
  };
  const retry = useCallback(() => setTurn((n) => n + 1), []);
  const held = feed.current?.of === of ? feed.current : undefined;
  const words = t.completions;
  const filtered = student !== '' || module !== '';
  const events = held?.events ?? [];
  const full = events.length >= KEPT;
  return (
    <>
      <header class="view-head">
        <div>
          <h1>{words.title}</h1>
          <p class="lead">{words.lead}</p>
        </div>
        <ExportButton student={student} module={module} />
      </header>
      <form
        class="toolbar"
        role="search"
        aria-label={words.filter}
        onSubmit={(event) => {
          event.preventDefault();
          const { elements } = event.currentTarget;
          const value = (name: string) =>
            (elements.namedItem(name) as HTMLInputElement).value.trim();
          amend({ student: value('student'), module: value('module') });
        }}
      >
        <label class="inline-field">
          <span>{words.student}</span>
          <input
            name="student"
            key={`student ${student}`}
            defaultValue={student}
            autocomplete="off"
            spellcheck={false}
          />
        </label>
        <label class="inline-field">
          <span>{words.module}</span>
          <input
            name="module"
            key={`module ${module}`}
            defaultValue={module}
            autocomplete="off"
            spellcheck={false}
          />
        </label>
        <button type="submit" class="button">
          {words.filter}
        </button>
        {filtered && (
          <button
            type="button"
            class="button quiet"
            onClick={() => amend({ student: undefined, module: undefined })}
          >
            {words.clear}
          </button>
        )}
        {held && held.before === null && !full && (
          <span class="count push-left">{words.count(events.length)}</span>
        )}
      </form>
      {problem?.status === 400 && !held ? (
        <Notice
          icon="alert"
          title={t.state.badCursorTitle}
          action={
            <button
              type="button"
              class="button"
              onClick={() => amend({ student: undefined, module: undefined })}
            >
              {t.state.fromStart}
            </button>
          }
        >
          {problem.detail || t.state.badCursor}
        </Notice>
      ) : problem && !held ? (
        <ProblemNotice problem={problem} retry={retry} />
      ) : !held ? (
        <Loading />
      ) : events.length === 0 ? (
        <Notice icon="completions" title={filtered ? words.noneMatch : words.noneTitle}>
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
                  <th scope="col" class="right">
                    {words.watched}
                  </th>
                  <th scope="col" class="right">
                    {words.done}
                  </th>
                  <th scope="col" class="right">
                    {words.threshold}
                  </th>
                </tr>
              </thead>
              <tbody>
                {events.map(({ id, data }) => {
                  const atMs = Date.parse(data.mastered_at);
                  return (
                    <tr key={id}>
                      <td title={fullDateTime(atMs)} data-label={words.when}>
                        {since(atMs, nowMs)}
                      </td>
                      <td data-label={words.student}>
                        <a href={pathOf({ view: 'student', student: data.student })}>
                          {data.student}
                        </a>
                      </td>
                      <td data-label={words.module}>
                        <a href={pathOf({ view: 'module', module: data.module })}>{data.module}</a>
                      </td>
                      <td class="right" data-label={words.watched}>
                        {clock(data.seconds_watched * 1000)}
                      </td>
                      <td class="right" data-label={words.done}>
                        {percent(data.completion_percentage)}
                      </td>
                      <td class="right faint" data-label={words.threshold}>
                        {percent(data.threshold)}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
          {full ? (
            <p class="faint">{words.kept(KEPT)}</p>
          ) : (
            held.before !== null && (
              <button type="button" class="button centre" onClick={() => void more()}>
                {t.table.more}
              </button>
            )
          )}
          {problem && (
            <p class="refused" role="alert">
              {t.state.unreachableTitle}
            </p>
          )}
        </>
      )}
    </>
  );
}
