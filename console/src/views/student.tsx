import { useState } from 'preact/hooks';
import {
  allPages,
  api,
  type DeviceDocument,
  type ModuleDocument,
  Problem,
  type ProgressDocument,
} from '../core/api';
import { login } from '../core/login';
import { ID } from '../core/module-input';
import { gaps } from '../core/ranges';
import { BASE, pathOf } from '../core/router';
import { useStore } from '../core/store';
import { rowOf } from '../core/students';
import { useLoad, useNow, useWidth } from '../core/use';
import { Dialog, Field, TableToggle } from '../parts/controls';
import { Icon } from '../parts/icons';
import { Refusals } from '../parts/refusals';
import { Loading, Notice, ProblemNotice, ToModules } from '../parts/states';
import { missingText, Strip } from '../parts/strip';
import { NeedMark } from '../parts/student-rows';
import { t } from '../text/en';
import { clock, clockRange, date, dateTime, fullDateTime, percent, since } from '../text/format';
import type { ViewProps } from './props';

const MODULES_MAX = 1_000;

/** The modules that progress names, asked for one by one where they are few. */
async function modulesOf(
  progress: readonly ProgressDocument[],
  signal: AbortSignal,
): Promise<Map<string, ModuleDocument>> {
  const wanted = progress.slice(0, 200).map(({ module }) => module);
  const found = await Promise.allSettled(wanted.map((module) => api.module(module, signal)));
  return new Map(
    found.flatMap((one) =>
      one.status === 'fulfilled' ? [[one.value.module, one.value] as const] : [],
    ),
  );
}

function Progress({
  items,
  modules,
}: {
  items: readonly ProgressDocument[];
  modules: ReadonlyMap<string, ModuleDocument>;
}) {
  const [table, setTable] = useState(false);
  const [measure, width] = useWidth<HTMLUListElement>();
  const nowMs = useNow(10_000);
  return (
    <section class="card" aria-labelledby="progress-title">
      <div class="card-head">
        <h2 id="progress-title">{t.student.progress}</h2>
        <span class="count">{t.student.modulesCount(items.length)}</span>
        <span class="push" />
        {items.length > 0 && <TableToggle on={table} onChange={setTable} />}
      </div>
      {items.length === 0 ? (
        <Notice small icon="empty" title={t.student.noProgressTitle}>
          {t.student.noProgress}
        </Notice>
      ) : (
        <ul class="module-strips" ref={measure}>
          {items.map((item) => {
            const row = rowOf(item, nowMs);
            const module = modules.get(item.module);
            // A removed module has no length any more: what was seen last is the best there is.
            const durationMs = module?.duration_ms ?? Math.max(item.coverage.at(-1)?.[1] ?? 1, 1);
            const missing = missingText(item.coverage, durationMs);
            return (
              <li key={item.module} data-module={item.module}>
                <div class="module-strip-head">
                  <a href={pathOf({ view: 'module', module: item.module })}>
                    {module?.title ?? item.module}
                  </a>
                  <NeedMark row={row} />
                  <span class="push" />
                  <span title={fullDateTime(row.updatedMs)} class="faint">
                    {since(row.updatedMs, nowMs)}
                  </span>
                  <b>{percent(item.completion_percentage)}</b>
                </div>
                {table ? (
                  <p class="strip-table">
                    {t.students.seenParts}:{' '}
                    {item.coverage.map(([from, to]) => clockRange(from, to)).join(', ') ||
                      t.students.nothing}
                    . {t.students.missingParts}:{' '}
                    {gaps(item.coverage, durationMs)
                      .map(([from, to]) => clockRange(from, to))
                      .join(', ') || t.students.nothing}
                    .
                  </p>
                ) : (
                  <Strip
                    coverage={item.coverage}
                    again={row.again}
                    durationMs={durationMs}
                    width={width}
                    version={0}
                    resumeMs={item.resume_ms}
                    label={t.students.stripLabel(
                      module?.title ?? item.module,
                      item.completion_percentage,
                      missing,
                    )}
                  />
                )}
                <p class="module-strip-foot">
                  <span>
                    {clock(item.seconds_watched * 1000)} / {clock(durationMs)}
                  </span>
                  {row.rewatchedMs >= 1000 && (
                    <span title={t.students.againHint}>{t.students.again(row.rewatchedMs)}</span>
                  )}
                  {item.mastered_at && (
                    <span>{t.student.masteredOn(dateTime(Date.parse(item.mastered_at)))}</span>
                  )}
                </p>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}

function Devices({ student }: { student: string }) {
  const list = useLoad((signal) => api.devices(student, signal), [student]);
  const [revoking, setRevoking] = useState<DeviceDocument>();
  const [failed, setFailed] = useState<string>();
  const words = t.student.device;
  return (
    <section class="card" aria-labelledby="devices-title">
      <div class="card-head">
        <h2 id="devices-title">{t.student.devices}</h2>
      </div>
      {!list.data ? (
        list.problem ? (
          <ProblemNotice problem={list.problem} retry={list.reload} />
        ) : (
          <Loading />
        )
      ) : list.data.items.length === 0 ? (
        <p class="faint pad">{t.student.noDevices}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label={t.student.devices}>
          <table>
            <thead>
              <tr>
                <th scope="col">{words.kid}</th>
                <th scope="col">{words.algorithm}</th>
                <th scope="col">{words.created}</th>
                <th scope="col">{words.state}</th>
                <th scope="col">
                  <span class="visually-hidden">{t.student.revoke}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.data.items.map((device) => (
                <tr key={device.kid} data-device={device.kid}>
                  <td>
                    <code class="kid" title={device.kid}>
                      {device.kid}
                    </code>
                  </td>
                  <td>{device.algorithm}</td>
                  <td class="nowrap" title={fullDateTime(Date.parse(device.created_at))}>
                    {date(Date.parse(device.created_at))}
                  </td>
                  <td>
                    {device.revoked ? (
                      <span class="chip chip-off">{t.student.deviceRevoked}</span>
                    ) : (
                      <span class="chip chip-on">{t.student.deviceActive}</span>
                    )}
                  </td>
                  <td class="right">
                    {!device.revoked && (
                      <button
                        type="button"
                        class="button small"
                        onClick={() => setRevoking(device)}
                      >
                        {t.student.revoke}
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {revoking && (
        <Dialog title={t.student.revokeTitle} onClose={() => setRevoking(undefined)}>
          <p>{t.student.revokeText}</p>
          <p>
            <code class="kid-whole">{revoking.kid}</code>
          </p>
          {failed && (
            <p class="refused" role="alert">
              {failed}
            </p>
          )}
          <footer>
            <button type="button" class="button" onClick={() => setRevoking(undefined)}>
              {t.student.cancel}
            </button>
            <button
              type="button"
              class="button danger"
              onClick={async () => {
                try {
                  await api.revoke(revoking.kid);
                  setRevoking(undefined);
                  setFailed(undefined);
                  list.reload();
                } catch (problem) {
                  setFailed(
                    problem instanceof Problem && problem.status > 0
                      ? t.state.fault(problem.detail)
                      : t.state.unreachableTitle,
                  );
                }
              }}
            >
              {t.student.revoke}
            </button>
          </footer>
        </Dialog>
      )}
    </section>
  );
}

function Erase({ student, onErased }: { student: string; onErased: () => void }) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string>();
  return (
    <section class="card danger-zone" aria-labelledby="erase-title">
      <div>
        <h2 id="erase-title">{t.student.danger}</h2>
        <p>{t.student.dangerText}</p>
      </div>
      <button type="button" class="button danger-quiet" onClick={() => setOpen(true)}>
        {t.student.erase}
      </button>
      {open && (
        <Dialog title={t.student.eraseTitle} onClose={() => setOpen(false)}>
          <form
            onSubmit={async (event) => {
              event.preventDefault();
              if (typed !== student || busy) return;
              setBusy(true);
              setFailed(undefined);
              try {
                await api.erase(student);
                onErased();
              } catch (problem) {
                setBusy(false);
                const away =
                  problem instanceof Problem && (problem.status === 503 || problem.status === 0);
                setFailed(
                  away
                    ? t.student.eraseAgain
                    : t.state.fault(problem instanceof Problem ? problem.detail : ''),
                );
              }
            }}
          >
            <p>{t.student.dangerText}</p>
            <Field label={t.student.eraseType(student)}>
              {(ids) => (
                <input
                  {...ids}
                  name="confirm"
                  value={typed}
                  autocomplete="off"
                  spellcheck={false}
                  onInput={(event) => setTyped(event.currentTarget.value)}
                />
              )}
            </Field>
            {failed && (
              <p class="refused" role="alert">
                {failed}
              </p>
            )}
            <footer>
              <button type="button" class="button" onClick={() => setOpen(false)}>
                {t.student.cancel}
              </button>
              <button type="submit" class="button danger" disabled={typed !== student || busy}>
                {busy ? t.student.erasing : t.student.eraseDo}
              </button>
            </footer>
          </form>
        </Dialog>
      )}
    </section>
  );
}

function Completions({
  student,
  modules,
}: {
  student: string;
  modules: ReadonlyMap<string, ModuleDocument>;
}) {
  const list = useLoad(
    (signal) => api.completions({ after: '0', limit: 500, student }, signal),
    [student],
  );
  return (
    <section class="card" aria-labelledby="completions-title">
      <div class="card-head">
        <h2 id="completions-title">{t.student.completions}</h2>
      </div>
      {!list.data ? (
        list.problem ? (
          <ProblemNotice problem={list.problem} retry={list.reload} />
        ) : (
          <Loading />
        )
      ) : list.data.items.length === 0 ? (
        <p class="faint pad">{t.student.noCompletions}</p>
      ) : (
        <ul class="completion-list">
          {list.data.items.map(({ id, data }) => (
            <li key={id}>
              <Icon name="completions" size={20} />
              <a href={pathOf({ view: 'module', module: data.module })}>
                {modules.get(data.module)?.title ?? data.module}
              </a>
              <span class="faint">{dateTime(Date.parse(data.mastered_at))}</span>
              <b>{percent(data.completion_percentage)}</b>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Student({ id }: ViewProps) {
  const who = useStore(login);
  const admin =
    who.phase === 'in'
      ? who.who.role === 'admin'
      : who.phase === 'expired' && who.was.role === 'admin';
  const [erased, setErased] = useState(false);
  const valid = ID.test(id);
  const loaded = useLoad(
    async (signal) => {
      if (!valid) return undefined;
      const { items } = await allPages((cursor) => api.progressOf(id, cursor, signal), MODULES_MAX);
      return { items, modules: await modulesOf(items, signal) };
    },
    [id],
  );
  const refusals = useLoad(
    async (signal) => (valid ? (await api.refusals(id, signal)).items : []),
    [id],
  );
  if (erased)
    return (
      <Notice page icon="check" title={t.student.erasedTitle} action={<ToModules />}>
        {t.student.erased}
      </Notice>
    );
  return (
    <>
      <a class="back" href={BASE}>
        <Icon name="back" size={16} />
        {t.module.back}
      </a>
      <header class="view-head">
        <div>
          <p class="kicker">{t.student.kicker}</p>
          <h1 class="id">{id}</h1>
        </div>
      </header>
      {loaded.data ? (
        <Progress items={loaded.data.items} modules={loaded.data.modules} />
      ) : !valid ? (
        <Notice icon="empty" title={t.student.noProgressTitle}>
          {t.student.noProgress}
        </Notice>
      ) : loaded.problem ? (
        <ProblemNotice problem={loaded.problem} retry={loaded.reload} />
      ) : (
        <section class="card">
          <Loading />
        </section>
      )}
      {valid && (
        <>
          {refusals.data ? (
            <Refusals items={refusals.data} />
          ) : (
            <section class="card">
              {refusals.problem ? (
                <ProblemNotice problem={refusals.problem} retry={refusals.reload} />
              ) : (
                <Loading />
              )}
            </section>
          )}
          <div class="side-by-side side-wide">
            <Completions student={id} modules={loaded.data?.modules ?? new Map()} />
            {admin ? (
              <Devices student={id} />
            ) : (
              <section class="card">
                <div class="card-head">
                  <h2>{t.student.devices}</h2>
                </div>
                <p class="faint pad">{t.student.devicesAdmin}</p>
              </section>
            )}
          </div>
          {admin && <Erase student={id} onErased={() => setErased(true)} />}
        </>
      )}
    </>
  );
}
