import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type CompletionEvent, Problem } from '../core/api';
import { amend } from '../core/place';
import { pathOf } from '../core/router';
import { useNow, useRedraw, useRevision } from '../core/use';
import { Attempt } from '../parts/attempt';
import { ExportButton } from '../parts/export-button';
import { Loading, Notice, ProblemNotice } from '../parts/states';
import { t } from '../text/en';
import { clock, fullDateTime, percent, since } from '../text/format';
import type { ViewProps } from './props';

const PAGE = 100;
const NEWS = 500;
const EVENTS_MAX = 2_000;
const AGAIN_MS = 3_000;

/** What is on the page, the newest first. */
interface List {
  of: string;
  events: CompletionEvent[];
  /** Older ones are asked for from here on; null: there are none. */
  before: string | null;
  /** Everything up to here is known. */
  newest: string;
}

/** What is asked for: part of the address. */
interface Filter {
  student: string;
  module: string;
}
const noFilter = { student: undefined, module: undefined };

const asProblem = (error: unknown) =>
  error instanceof Problem ? error : new Problem('fault', 0, String(error));

const withOlder = (list: List, items: CompletionEvent[], next: string | null): List => ({
  ...list,
  events: [...list.events, ...items].slice(0, EVENTS_MAX),
  before: items.length < PAGE ? null : next,
});

const withNewer = (list: List, items: CompletionEvent[], newest: string): List => ({
  ...list,
  events: [...items.reverse(), ...list.events].slice(0, EVENTS_MAX),
  newest,
});

/** Whether the same call can get another response later. */
const mayChange = ({ status }: Problem) => status < 400 || status >= 500 || status === 429;

/** Runs at once and then every few seconds; until a refusal, which will not change by asking again. */
function useRepeated(
  work: (signal: AbortSignal) => Promise<void>,
  setProblem: (problem: Problem) => void,
  keys: readonly unknown[],
): void {
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async () => {
      timer = undefined;
      let pauseMs = AGAIN_MS;
      try {
        await work(signal);
      } catch (error) {
        if (signal.aborted) return;
        const found = asProblem(error);
        // What was there stays.
        setProblem(found);
        if (!mayChange(found)) return;
        pauseMs = Math.max(pauseMs, found.retryAfterS * 1000);
      }
      if (!signal.aborted) timer = setTimeout(run, pauseMs);
    };
    void run();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, keys);
}

/** The list of completions that match, which grows at both ends. */
function useCompletions({ student, module }: Filter) {
  const of = JSON.stringify([student, module, useRevision()]);
  const list = useRef<List | undefined>(undefined);
  const [problem, setProblem] = useState<Problem>();
  const [turn, setTurn] = useState(0);
  const redraw = useRedraw();
  const isReading = useRef(false);
  const current = () => (list.current?.of === of ? list.current : undefined);

  /** The next older ones than `from`, or the newest. */
  const readOlder = async (from: List | undefined, signal?: AbortSignal) => {
    const known = current();
    const { items, next, newest } = await api.completions(
      { order: 'desc', before: from?.before ?? undefined, limit: PAGE, student, module },
      signal,
    );
    if (current() !== known) return;
    list.current = withOlder(
      from ?? { of, events: [], before: null, newest: newest ?? '0' },
      items,
      next,
    );
  };
  /** What has come since. */
  const readNewer = async (known: List, signal: AbortSignal) => {
    const { items, next } = await api.completions(
      { after: known.newest, limit: NEWS, student, module },
      signal,
    );
    const now = current();
    if (next === null || !now) return;
    list.current = withNewer(now, items, next);
  };

  const refresh = async (signal: AbortSignal) => {
    const known = current();
    try {
      if (known) await readNewer(known, signal);
      else await readOlder(undefined, signal);
    } catch (error) {
      if (!known || signal.aborted || asProblem(error).status !== 409) throw error;
      // The outbox came back older than this list: what it lost will be numbered anew.
      await readOlder(undefined, signal);
    }
    if (signal.aborted) return;
    setProblem(undefined);
    redraw();
  };
  useRepeated(refresh, setProblem, [of, turn]);

  const more = async () => {
    if (isReading.current) return;
    isReading.current = true;
    try {
      await readOlder(current());
      redraw();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      isReading.current = false;
    }
  };
  return { list: current(), problem, more, retry: () => setTurn((n) => n + 1) };
}

function FilterField({ name, label, value }: { name: string; label: string; value: string }) {
  return (
    <label class="inline-field">
      <span>{label}</span>
      <input
        name={name}
        key={`${name} ${value}`}
        defaultValue={value}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
}

function FilterForm({ student, module, count }: Filter & { count: number | undefined }) {
  const words = t.completions;
  return (
    <form
      class="toolbar"
      role="search"
      aria-label={words.filter}
      onSubmit={(event) => {
        event.preventDefault();
        const { elements } = event.currentTarget;
        const value = (name: string) => (elements.namedItem(name) as HTMLInputElement).value.trim();
        amend({ student: value('student'), module: value('module') });
      }}
    >
      <FilterField name="student" label={words.student} value={student} />
      <FilterField name="module" label={words.module} value={module} />
      <button type="submit" class="button">
        {words.filter}
      </button>
      {(student || module) && (
        <button type="button" class="button quiet" onClick={() => amend(noFilter)}>
          {words.clear}
        </button>
      )}
      {count !== undefined && <span class="count push-left">{words.count(count)}</span>}
    </form>
  );
}

function Row({ data, nowMs }: { data: CompletionEvent['data']; nowMs: number }) {
  const words = t.completions;
  const atMs = Date.parse(data.mastered_at);
  return (
    <tr>
      <td title={fullDateTime(atMs)} data-label={words.when}>
        {since(atMs, nowMs)}
      </td>
      <td data-label={words.student}>
        <a href={pathOf({ view: 'student', student: data.student })}>{data.student}</a>
      </td>
      <td data-label={words.module}>
        <a href={pathOf({ view: 'module', module: data.module })}>{data.module}</a>{' '}
        <Attempt n={data.attempt} />
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
}

function Table({ events }: { events: readonly CompletionEvent[] }) {
  const words = t.completions;
  const nowMs = useNow(10_000);
  return (
    <div class="card flush">
      <table class="stacks completions-table">
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
          {events.map(({ id, data }) => (
            <Row key={id} data={data} nowMs={nowMs} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

const BadCursor = ({ problem }: { problem: Problem }) => (
  <Notice
    icon="alert"
    title={t.state.badCursorTitle}
    action={
      <button type="button" class="button" onClick={() => amend(noFilter)}>
        {t.state.fromStart}
      </button>
    }
  >
    {problem.detail || t.state.badCursor}
  </Notice>
);

export function Completions({ search }: ViewProps) {
  const student = search.get('student') ?? '';
  const module = search.get('module') ?? '';
  const { list, problem, more, retry } = useCompletions({ student, module });
  const words = t.completions;
  const filtered = student !== '' || module !== '';
  const events = list?.events ?? [];
  const full = events.length >= EVENTS_MAX;
  const isWhole = list?.before === null && !full;
  return (
    <>
      <header class="view-head">
        <div>
          <h1>{words.title}</h1>
          <p class="lead">{words.lead}</p>
        </div>
        <ExportButton student={student} module={module} />
      </header>
      <FilterForm student={student} module={module} count={isWhole ? events.length : undefined} />
      {problem?.status === 400 && !list ? (
        <BadCursor problem={problem} />
      ) : problem && !list ? (
        <ProblemNotice problem={problem} retry={retry} />
      ) : !list ? (
        <Loading />
      ) : events.length === 0 ? (
        <Notice icon="completions" title={filtered ? words.noneMatch : words.noneTitle}>
          {filtered ? undefined : words.none}
        </Notice>
      ) : (
        <>
          <Table events={events} />
          {full ? (
            <p class="faint">{words.newest(EVENTS_MAX)}</p>
          ) : (
            list.before !== null && (
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
