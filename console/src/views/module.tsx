import { useRef, useState } from 'preact/hooks';
import { api, type ModuleDocument, type ModuleOverview, query } from '../core/api';
import { Heat, type HeatDelta } from '../core/heat';
import { heatmapEvent, progressEvent, totalsEvent } from '../core/live-events';
import { ID } from '../core/module-input';
import { Ring } from '../core/ring';
import { BASE, pathOf } from '../core/router';
import type { SseEvent, StreamState } from '../core/sse';
import type { LiveItem } from '../core/students';
import { useIsAdmin, useLoad, useNow, usePolling, useRedraw, useStream } from '../core/use';
import type { Feed } from '../core/use-students';
import { Figure } from '../parts/controls';
import { HeatCard } from '../parts/heat-card';
import { Icon } from '../parts/icons';
import { ModuleForm } from '../parts/module-form';
import { Preview } from '../parts/preview';
import { LiveMark, Loading, Notice, Pending, ProblemNotice, ToModules } from '../parts/states';
import { StudentsCard } from '../parts/students-card';
import { t } from '../text/en';
import { clock, clockRange, compact, decimal, percent, since } from '../text/format';
import type { ViewProps } from './props';

const RECENT = 8;
const PENDING_MAX = 1000;
/** The live stream only adds: from time to time the whole picture is asked for again. */
const HEATMAP_AGAIN_MS = 60_000;
const OVERVIEW_EVERY_MS = 10_000;

interface Recent {
  atMs: number;
  item: LiveItem;
}

function Facts({
  module,
  overview,
  active,
}: {
  module: ModuleDocument;
  overview: ModuleOverview | undefined;
  active: number | undefined;
}) {
  const words = t.module;
  return (
    <dl class="figures">
      <Figure label={words.active} value={compact(active ?? overview?.active ?? 0)} />
      <Figure label={words.students} value={compact(overview?.students ?? 0)} />
      <Figure label={words.completion} value={percent(overview?.average_completion ?? 0)} />
      <Figure
        label={words.mastered}
        value={compact(overview?.mastered ?? 0)}
        note={
          overview && overview.students > 0
            ? t.modules.masteredShare(overview.mastered / overview.students)
            : undefined
        }
      />
      <Figure label={words.threshold} value={percent(module.mastery_threshold)} />
      <Figure label={words.rate} value={`${decimal(module.max_rate)}×`} />
    </dl>
  );
}

function RecentList({ recent }: { recent: readonly Recent[] }) {
  const nowMs = useNow(1000);
  return (
    <section class="card recent" aria-label={t.heat.recentLabel}>
      <div class="card-head">
        <h2>{t.heat.recent}</h2>
      </div>
      {recent.length === 0 ? (
        <p class="faint">{t.heat.recentNone}</p>
      ) : (
        <ul>
          {recent.map(({ atMs, item }) => (
            <li
              key={`${item.student} ${atMs} ${item.to_ms}`}
              data-recent={item.student}
              data-to-ms={item.to_ms}
            >
              <a href={pathOf({ view: 'student', student: item.student })}>{item.student}</a>
              <span>{clockRange(item.from_ms, item.to_ms)}</span>
              <b>{percent(item.completion_percentage)}</b>
              <small>{since(atMs, Math.max(nowMs, atMs))}</small>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** The picture of the heatmap: asked for now and then, and brought up to date by the live stream. */
function useHeat(module: ModuleDocument) {
  const heat = useRef<Heat | undefined>(undefined);
  const version = useRef(0);
  /** Deltas since the picture was asked for: those after its `as_of` are not in it. */
  const pending = useRef<HeatDelta[] | undefined>(undefined);
  const loaded = useLoad(
    async (signal) => {
      pending.current = [];
      const document = await api.heatmap(module.module, signal);
      const fresh = new Heat(document);
      for (const delta of pending.current ?? []) fresh.follow(delta);
      pending.current = undefined;
      heat.current = fresh;
      ++version.current;
      return document;
    },
    [module.module, module.duration_ms],
  );
  const polls = useRef(0);
  usePolling(
    async () => {
      if (++polls.current > 1) loaded.reload();
    },
    HEATMAP_AGAIN_MS,
    [module.module],
  );
  const follow = (delta: HeatDelta) => {
    heat.current?.follow(delta);
    ++version.current;
    if (pending.current && pending.current.length < PENDING_MAX) pending.current.push(delta);
  };
  return { loaded, heat: heat.current, version: version.current, follow };
}

/** What the page shows of the module and follows live. */
function useFollowed(module: ModuleDocument) {
  const [overview, setOverview] = useState<ModuleOverview>();
  const [active, setActive] = useState<number>();
  const redraw = useRedraw();
  const feed = useRef<Feed>({});
  const recent = useRef(new Ring<Recent>(RECENT));
  const picture = useHeat(module);
  usePolling(
    async (signal) => setOverview((await api.overview(signal)).modules[module.module]),
    OVERVIEW_EVERY_MS,
    [module.module],
  );
  const { state, retry } = useStream(
    `/v1/live${query({ module: module.module })}`,
    (event: SseEvent) => {
      const nowMs = Date.now();
      if (event.event === 'heatmap') {
        const delta = heatmapEvent(event.data, nowMs);
        if (!delta || delta.module !== module.module) return;
        picture.follow(delta);
      } else if (event.event === 'progress') {
        const progress = progressEvent(event.data, nowMs);
        if (!progress || progress.module !== module.module) return;
        for (const item of progress.items) recent.current.push({ atMs: nowMs, item });
        feed.current.progress?.(progress.items, progress.atMs);
      } else if (event.event === 'totals') {
        setActive(totalsEvent(event.data)?.active[module.module] ?? 0);
      } else if (event.event === 'reset') {
        recent.current.clear(); // of a student who was erased, perhaps
        feed.current.reset?.();
        picture.loaded.reload();
      }
      redraw();
    },
  );
  const latest = recent.current.toArray().reverse();
  return { overview, active, state, retry, picture, recent: latest, feed: feed.current };
}

function Head({
  module,
  state,
  retry,
  onPlay,
  onEdit,
}: {
  module: ModuleDocument;
  state: StreamState;
  retry: () => void;
  onPlay: (() => void) | undefined;
  onEdit: (() => void) | undefined;
}) {
  return (
    <header class="view-head">
      <div>
        <h1>{module.title}</h1>
        <p class="lead">
          <code>{module.module}</code> · {clock(module.duration_ms)}
        </p>
      </div>
      <div class="view-actions">
        <LiveMark state={state} retry={retry} />
        {onPlay && (
          <button type="button" class="button" onClick={onPlay}>
            <Icon name="play" size={16} />
            {t.preview.title}
          </button>
        )}
        {onEdit && (
          <button type="button" class="button" onClick={onEdit}>
            <Icon name="edit" size={16} />
            {t.modules.edit}
          </button>
        )}
      </div>
    </header>
  );
}

function Opened({ module, reload }: { module: ModuleDocument; reload: () => void }) {
  const isAdmin = useIsAdmin();
  const [form, setForm] = useState(false);
  const [preview, setPreview] = useState<{ atMs: number; turn: number }>();
  const { overview, active, state, retry, picture, recent, feed } = useFollowed(module);
  const play = module.preview_url
    ? (atMs: number) => setPreview((old) => ({ atMs, turn: (old?.turn ?? 0) + 1 }))
    : undefined;
  return (
    <>
      <a class="back" href={BASE}>
        <Icon name="back" size={16} />
        {t.module.back}
      </a>
      <Head
        module={module}
        state={state}
        retry={retry}
        onPlay={play && (() => play(0))}
        onEdit={isAdmin ? () => setForm(true) : undefined}
      />
      <Facts module={module} overview={overview} active={active} />
      <div class="heat-and-recent">
        {picture.heat && picture.loaded.data ? (
          <HeatCard heat={picture.heat} version={picture.version} onPlay={play} />
        ) : (
          <section class={picture.loaded.problem ? 'card' : 'card heat-card'}>
            <Pending of={picture.loaded} />
          </section>
        )}
        <RecentList recent={recent} />
      </div>
      <StudentsCard
        module={module.module}
        durationMs={module.duration_ms}
        feed={feed}
        onPlay={play}
      />
      {preview && module.preview_url && (
        <Preview
          url={module.preview_url}
          atMs={preview.atMs}
          turn={preview.turn}
          onClose={() => setPreview(undefined)}
        />
      )}
      {form && (
        <ModuleForm
          of={module}
          onClose={() => setForm(false)}
          onSaved={() => {
            setForm(false);
            reload();
          }}
        />
      )}
    </>
  );
}

export function Module({ id }: ViewProps) {
  const loaded = useLoad((signal) => api.module(id, signal), [id]);
  const missing = { title: t.state.moduleMissingTitle, text: t.state.moduleMissing(id) };
  // The gateway would refuse the path; the message for people is the same as for an unknown one.
  if (!ID.test(id))
    return (
      <Notice page icon="empty" title={missing.title} action={<ToModules />}>
        {`“${id}” ${t.state.badModuleId}`}
      </Notice>
    );
  if (loaded.data) return <Opened module={loaded.data} reload={loaded.reload} />;
  return loaded.problem ? (
    <ProblemNotice page problem={loaded.problem} retry={loaded.reload} missing={missing} />
  ) : (
    <Loading />
  );
}
