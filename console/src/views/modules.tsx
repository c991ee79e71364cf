import { useMemo, useState } from 'preact/hooks';
import {
  allPages,
  api,
  type ModuleDocument,
  type ModuleOverview,
  type Overview,
} from '../core/api';
import { login } from '../core/login';
import { amend, go } from '../core/place';
import { pathOf } from '../core/router';
import { useStore } from '../core/store';
import { useLoad, usePolling } from '../core/use';
import { Bar, Figure } from '../parts/controls';
import { Icon } from '../parts/icons';
import { ModuleForm } from '../parts/module-form';
import { Spark } from '../parts/spark';
import { Loading, Notice, ProblemNotice } from '../parts/states';
import { t } from '../text/en';
import { clock, compact, percent } from '../text/format';
import type { ViewProps } from './props';

const MODULES_MAX = 5_000;
const SHOWN_FIRST = 100;
const OVERVIEW_EVERY_MS = 5_000;

type Order = 'active' | 'title' | 'completion';

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

function Card({
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

export function Modules({ search }: ViewProps) {
  const who = useStore(login);
  const admin = who.phase === 'in' && who.who.role === 'admin';
  const [form, setForm] = useState<{ of?: ModuleDocument }>();
  const [shown, setShown] = useState(SHOWN_FIRST);
  const [overview, setOverview] = useState<Overview>();
  const catalogue = useLoad(
    (signal) => allPages((cursor) => api.modules({ cursor, limit: 500 }, signal), MODULES_MAX),
    ['modules'],
  );
  usePolling(async (signal) => setOverview(await api.overview(signal)), OVERVIEW_EVERY_MS, []);
  const text = search.get('q') ?? '';
  const order =
    (['active', 'title', 'completion'] as const).find((one) => one === search.get('order')) ??
    'active';
  const modules = catalogue.data?.items;
  const found = useMemo(() => {
    const wanted = text.trim().toLocaleLowerCase();
    const matching = (modules ?? []).filter(
      ({ module, title }) =>
        module.toLocaleLowerCase().includes(wanted) || title.toLocaleLowerCase().includes(wanted),
    );
    return ordered(matching, overview, order);
  }, [modules, text, overview, order]);
  if (!modules)
    return catalogue.problem ? (
      <ProblemNotice page problem={catalogue.problem} retry={catalogue.reload} />
    ) : (
      <Loading />
    );

  const all = Object.values(overview?.modules ?? {});
  const students = all.reduce((sum, one) => sum + one.students, 0);
  const mastered = all.reduce((sum, one) => sum + one.mastered, 0);
  const average =
    students > 0
      ? all.reduce((sum, one) => sum + one.average_completion * one.students, 0) / students
      : 0;
  const words = t.modules.column;
  return (
    <>
      <header class="view-head">
        <div>
          <h1>{t.modules.title}</h1>
          <p class="lead">{t.modules.count(modules.length)}</p>
        </div>
        {admin && (
          <button type="button" class="button primary" onClick={() => setForm({})}>
            <Icon name="plus" size={16} />
            {t.modules.add}
          </button>
        )}
      </header>
      {modules.length === 0 ? (
        <Notice icon="empty" title={t.modules.noneTitle}>
          {t.modules.none}
        </Notice>
      ) : (
        <>
          <dl class="figures">
            <Figure
              label={t.modules.sumActive}
              value={compact(all.reduce((sum, one) => sum + one.active, 0))}
            />
            <Figure label={t.modules.sumAverage} value={percent(average)} />
            <Figure
              label={t.modules.sumMastered}
              value={compact(mastered)}
              note={students > 0 ? t.modules.masteredShare(mastered / students) : undefined}
            />
            <Figure label={t.modules.sumStudents} value={compact(students)} />
          </dl>
          <div class="toolbar">
            <label class="search">
              <Icon name="search" />
              <span class="visually-hidden">{t.modules.search}</span>
              <input
                type="search"
                placeholder={t.modules.search}
                value={text}
                onInput={(event) => {
                  setShown(SHOWN_FIRST);
                  amend({ q: event.currentTarget.value });
                }}
              />
            </label>
            <label class="select">
              <span>{t.modules.sort}</span>
              <select
                value={order}
                onChange={(event) => amend({ order: event.currentTarget.value })}
              >
                <option value="active">{t.modules.byActive}</option>
                <option value="title">{t.modules.byTitle}</option>
                <option value="completion">{t.modules.byCompletion}</option>
              </select>
            </label>
          </div>
          {found.length === 0 ? (
            <Notice
              icon="search"
              title={t.modules.noMatch(text)}
              action={
                <button type="button" class="button" onClick={() => amend({ q: undefined })}>
                  {t.modules.clear}
                </button>
              }
            />
          ) : (
            <div class="card flush">
              <table class="modules-table">
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
                    {admin && (
                      <th scope="col">
                        <span class="visually-hidden">{t.modules.edit}</span>
                      </th>
                    )}
                  </tr>
                </thead>
                <tbody>
                  {found.slice(0, shown).map((module) => (
                    <Card
                      key={module.module}
                      module={module}
                      overview={overview?.modules[module.module]}
                      onEdit={admin ? () => setForm({ of: module }) : undefined}
                    />
                  ))}
                </tbody>
              </table>
            </div>
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
