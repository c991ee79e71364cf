import { useState } from 'preact/hooks';
import { allPages, api, type ModuleDocument, type ProgressDocument } from '../core/api';
import { ID } from '../core/module-input';
import { BASE } from '../core/router';
import { useIsAdmin, useLoad } from '../core/use';
import { Icon } from '../parts/icons';
import { Refusals } from '../parts/refusals';
import { Notice, Pending, ToModules } from '../parts/states';
import { t } from '../text/en';
import type { ViewProps } from './props';
import { Completions } from './student/completions';
import { Devices, HiddenDevices } from './student/devices';
import { Erase } from './student/erase';
import { Progress } from './student/progress';

const MODULES_MAX = 1_000;

/** The modules that progress names, asked for one by one where they are few. */
async function modulesOf(
  progress: readonly ProgressDocument[],
  signal: AbortSignal,
): Promise<Map<string, ModuleDocument>> {
  const ids = progress.slice(0, 200).map(({ module }) => module);
  const found = await Promise.allSettled(ids.map((module) => api.module(module, signal)));
  return new Map(
    found.flatMap((one) =>
      one.status === 'fulfilled' ? [[one.value.module, one.value] as const] : [],
    ),
  );
}

export function Student({ id }: ViewProps) {
  const isAdmin = useIsAdmin();
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
        <Progress
          items={loaded.data.items}
          modules={loaded.data.modules}
          refusals={refusals.data ?? []}
        />
      ) : !valid ? (
        <Notice icon="empty" title={t.student.noProgressTitle}>
          {t.student.noProgress}
        </Notice>
      ) : (
        <section class="card">
          <Pending of={loaded} />
        </section>
      )}
      {valid && (
        <>
          {refusals.data ? (
            <Refusals items={refusals.data} />
          ) : (
            <section class="card">
              <Pending of={refusals} />
            </section>
          )}
          <div class="side-by-side side-wide">
            <Completions student={id} modules={loaded.data?.modules ?? new Map()} />
            {isAdmin ? <Devices student={id} /> : <HiddenDevices />}
          </div>
          {isAdmin && <Erase student={id} onErased={() => setErased(true)} />}
        </>
      )}
    </>
  );
}
