import { api, type ModuleDocument } from '../../core/api';
import { pathOf } from '../../core/router';
import { useLoad } from '../../core/use';
import { Attempt } from '../../parts/attempt';
import { Icon } from '../../parts/icons';
import { Pending } from '../../parts/states';
import { t } from '../../text/en';
import { dateTime, percent } from '../../text/format';

/** The modules that the student has mastered. */
export function Completions({
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
        <Pending of={list} />
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
              <Attempt n={data.attempt} />
              <span class="faint">{dateTime(Date.parse(data.mastered_at))}</span>
              <b>{percent(data.completion_percentage)}</b>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
