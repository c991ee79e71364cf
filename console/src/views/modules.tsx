import { useMemo, useState } from 'preact/hooks';
import {
  allPages,
  api,
  type ModuleDocument,
  type ModuleOverview,
  type Overview,
} from '../core/api';
import { amend, go } from '../core/place';
import { pathOf } from '../core/router';
import { useIsAdmin, useLoad, usePolling } from '../core/use';
import { Bar, Figure } from '../parts/controls';
import { Icon } from '../parts/icons';
import { ModuleForm } from '../parts/module-form';
import { Spark } from '../parts/spark';
import { Notice, Pending } from '../parts/states';
import { t } from '../text/en';
import { clock, compact, percent } from '../text/format';
import type { ViewProps } from './props';

const MODULES_MAX = 5_000;
const SHOWN_FIRST = 100;
const OVERVIEW_EVERY_MS = 5_000;

const ORDERS = ['active', 'title', 'completion'] as const;
type Order = (typeof ORDERS)[number];

function matching(modules: readonly ModuleDocument[], text: string): ModuleDocument[] {
  const part = text.trim().toLocaleLowerCase();
  return modules.filter(
    ({ module, title }) =>
      module.toLocaleLowerCase().includes(part) || title.toLocaleLowerCase().includes(part),
  );
}

function ordered(
  modules: readonly ModuleDocument[],
  overview: Overview | undefined,
  order: Order,
): ModuleDocument[] {
  const of = (module: ModuleDocument) => overview?.modules[module.module];
  const byTitle = (a: ModuleDocument, b: ModuleDocument) =>
    a.title.localeCompare(b.title) || a.module.localeCompare(b.module);
  const by: Record<Order, (a: ModuleDocument, b: ModuleDocument) => number> = {
    title: byTitle,
    active: (a, b) =>
      (of(b)?.active ?? 0) - (of(a)?.active ?? 0) ||
      (of(b)?.students ?? 0) - (of(a)?.students ?? 0) ||
      byTitle(a, b),
    completion: (a, b) =>
      (of(a)?.average_completion ?? 101) - (of(b)?.average_completion ?? 101) || byTitle(a, b),
  };
  return modules.slice().sort(by[order]);
}

function Row({
  module,
  overview,
  onEdit,
}: {
  module: ModuleDocument;
  overview: ModuleOverview | undefined;
  onEdit: (() => void) | undefined;
}) {
  const words = t.modules.column;
  return (
    <tr data-module={module.module}>
      <th scope="row">
        <a href={pathOf({ view: 'module', module: module.module })}>{module.title}</a>
        <small>
          <code>{module.module}</code> <span>{clock(module.duration_ms)}</span>
        </small>
      </th>
      <td class="right" data-label={words.active}>
        {overview && overview.active > 0 ? (
          <span class="active-now">
            <i aria-hidden="true" />
            {compact(overview.active)}
          </span>
        ) : (
          <span class="faint">0</span>
        )}
      </td>
      <td data-label={words.activity} class="spark-cell">
        {overview ? <Spark values={overview.activity} /> : <span class="faint">–</span>}
      </td>
      <td class="right" data-label={words.students}>
        {overview ? compact(overview.students) : <span class="faint">–</span>}
      </td>
      <td data-label={words.completion}>
        {overview ? (
          <span class="bar-cell">
            <Bar
              percent={overview.average_completion}
              label={percent(overview.average_completion)}
            />
            <span>{percent(overview.average_completion)}</span>
          </span>
        ) : (
          <span class="faint">{t.modules.never}</span>
        )}
      </td>
      <td class="right" data-label={words.mastered}>
        {overview ? compact(overview.mastered) : <span class="faint">–</span>}
      </td>
      {onEdit && (
        <td class="edit-cell">
          <button
            type="button"
            class="icon-button"
            aria-label={t.modules.editOf(module.title)}
            title={t.modules.edit}
            onClick={onEdit}
          >
            <Icon name="edit" />
          </button>
        </td>
      )}
    </tr>
  );
}

/** The figures above the list, over all modules. */
function Sums({ overview }: { overview: Overview | undefined }) {
  const all = Object.values(overview?.modules ?? {});
  const sumOf = (part: (one: ModuleOverview) => number) =>
    all.reduce((sum, one) => sum + part(one), 0);
  const students = sumOf((one) => one.students);
  const mastered = sumOf((one) => one.mastered);
  const average =
    students > 0 ? sumOf((one) => one.average_completion * one.students) / students : 0;
  return (
    <dl class="figures">
      <Figure label={t.modules.sumActive} value={compact(sumOf((one) => one.active))} />
      <Figure label={t.modules.sumAverage} value={percent(average)} />
      <Figure
        label={t.modules.sumMastered}
        value={compact(mastered)}
        note={students > 0 ? t.modules.masteredShare(mastered / students) : undefined}
      />
      <Figure label={t.modules.sumStudents} value={compact(students)} />
    </dl>
  );
}

/** Both are part of the address. */
function Toolbar({ text, order, onSearch }: { text: string; order: Order; onSearch: () => void }) {
  return (
    <div class="toolbar">
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">{t.modules.search}</span>
        <input
          type="search"
          placeholder={t.modules.search}
          value={text}
          onInput={(event) => {
            onSearch();
            amend({ q: event.currentTarget.value });
          }}
        />
      </label>
      <label class="select">
        <span>{t.modules.sort}</span>
        <select value={order} onChange={(event) => amend({ order: event.currentTarget.value })}>
          <option value="active">{t.modules.byActive}</option>
          <option value="title">{t.modules.byTitle}</option>
          <option value="completion">{t.modules.byCompletion}</option>
        </select>
      </label>
    </div>
  );
}

function Table({
  modules,
  overview,
  onEdit,
}: {
  modules: readonly ModuleDocument[];
  overview: Overview | undefined;
  /** Undefined: this role may not edit. */
  onEdit: ((module: ModuleDocument) => void) | undefined;
}) {
  const words = t.modules.column;
  return (
    <div class="card flush">
      <table class="stacks modules-table">
        <thead>
          <tr>
            <th scope="col">{words.module}</th>
            <th scope="col" class="right">
              {words.active}
            </th>
            <th scope="col">{words.activity}</th>
            <th scope="col" class="right">
              {words.students}
            </th>
            <th scope="col">{words.completion}</th>
            <th scope="col" class="right">
              {words.mastered}
            </th>
            {onEdit && (
              <th scope="col">
                <span class="visually-hidden">{t.modules.edit}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {modules.map((module) => (
            <Row
              key={module.module}
              module={module}
              overview={overview?.modules[module.module]}
              onEdit={onEdit && (() => onEdit(module))}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

const NoMatch = ({ text }: { text: string }) => (
  <Notice
    icon="search"
    title={t.modules.noMatch(text)}
    action={
      <button type="button" class="button" onClick={() => amend({ q: undefined })}>
        {t.modules.clear}
      </button>
    }
  />
);

function Head({ count, onAdd }: { count: number; onAdd: (() => void) | undefined }) {
  return (
    <header class="view-head">
      <div>
        <h1>{t.modules.title}</h1>
        <p class="lead">{t.modules.count(count)}</p>
      </div>
      {onAdd && (
        <button type="button" class="button primary" onClick={onAdd}>
          <Icon name="plus" size={16} />
          {t.modules.add}
        </button>
      )}
    </header>
  );
}

export function Modules({ search }: ViewProps) {
  const isAdmin = useIsAdmin();
  const [form, setForm] = useState<{ of?: ModuleDocument }>();
  const [shown, setShown] = useState(SHOWN_FIRST);
  const [overview, setOverview] = useState<Overview>();
  const catalogue = useLoad(
    (signal) => allPages((cursor) => api.modules({ cursor, limit: 500 }, signal), MODULES_MAX),
    ['modules'],
  );
  usePolling(async (signal) => setOverview(await api.overview(signal)), OVERVIEW_EVERY_MS, []);
  const text = search.get('q') ?? '';
  const order = ORDERS.find((one) => one === search.get('order')) ?? 'active';
  const modules = catalogue.data?.items;
  const found = useMemo(
    () => ordered(matching(modules ?? [], text), overview, order),
    [modules, text, overview, order],
  );
  if (!modules) return <Pending of={catalogue} page />;

  return (
    <>
      <Head count={modules.length} onAdd={isAdmin ? () => setForm({}) : undefined} />
      {modules.length === 0 ? (
        <Notice icon="empty" title={t.modules.noneTitle}>
          {t.modules.none}
        </Notice>
      ) : (
        <>
          <Sums overview={overview} />
          <Toolbar text={text} order={order} onSearch={() => setShown(SHOWN_FIRST)} />
          {found.length === 0 ? (
            <NoMatch text={text} />
          ) : (
            <Table
              modules={found.slice(0, shown)}
              overview={overview}
              onEdit={isAdmin ? (module) => setForm({ of: module }) : undefined}
            />
          )}
          {found.length > shown && (
            <button
              type="button"
              class="button centre"
              onClick={() => setShown(shown + SHOWN_FIRST)}
            >
              {t.table.more}
            </button>
          )}
          {!catalogue.data!.complete && <p class="faint">{t.state.limitReached}</p>}
        </>
      )}
      {form && (
        <ModuleForm
          of={form.of}
          onClose={() => setForm(undefined)}
          onSaved={(saved) => {
            const fresh = !form.of;
            setForm(undefined);
            if (fresh) go(pathOf({ view: 'module', module: saved.module }));
            else catalogue.reload();
          }}
        />
      )}
    </>
  );
}
