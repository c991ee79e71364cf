import { useState } from 'preact/hooks';
import { api, Problem } from '../../core/api';
import { Dialog, Field } from '../../parts/controls';
import { t } from '../../text/en';

function EraseDialog({
  student,
  onClose,
  onErased,
}: {
  student: string;
  onClose: () => void;
  onErased: () => void;
}) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string>();
  return (
    <Dialog title={t.student.eraseTitle} onClose={onClose}>
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
          <button type="button" class="button" onClick={onClose}>
            {t.student.cancel}
          </button>
          <button type="submit" class="button danger" disabled={typed !== student || busy}>
            {busy ? t.student.erasing : t.student.eraseDo}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** Erases the student for good, once their id was typed. For administrators. */
export function Erase({ student, onErased }: { student: string; onErased: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <section class="card danger-zone" aria-labelledby="erase-title">
      <div>
        <h2 id="erase-title">{t.student.danger}</h2>
        <p>{t.student.dangerText}</p>
      </div>
      <button type="button" class="button danger-quiet" onClick={() => setOpen(true)}>
        {t.student.erase}
      </button>
      {open && <EraseDialog student={student} onClose={() => setOpen(false)} onErased={onErased} />}
    </section>
  );
}
