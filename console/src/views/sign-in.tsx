import { useState } from 'preact/hooks';
import { type LoginDocument, Problem } from '../core/api';
import { signIn, signOut } from '../core/login';
import { Brand } from '../parts/brand';
import { Dialog, Field } from '../parts/controls';
import { t } from '../text/en';

function wordsFor(error: unknown): string {
  if (!(error instanceof Problem)) return t.state.fault('');
  if (error.status === 401) return t.signIn.wrong;
  if (error.status === 429) return t.signIn.tooMany(error.retryAfterS || 1);
  if (error.status === 0 || error.status >= 500)
    return `${t.state.unreachableTitle}. ${t.state.unreachable}`;
  return t.state.fault(error.detail);
}

function Form() {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  return (
    <form
      noValidate
      onSubmit={async (event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('token') as HTMLInputElement;
        const token = field.value.trim();
        if (token === '') {
          setError(t.signIn.empty);
          field.focus();
          return;
        }
        setBusy(true);
        try {
          await signIn(token);
        } catch (problem) {
          setError(wordsFor(problem));
          setBusy(false);
          field.focus();
          field.select();
        }
      }}
    >
      <Field label={t.signIn.token} hint={t.signIn.hint} error={error}>
        {(ids) => (
          <input
            {...ids}
            name="token"
            type="password"
            autocomplete="current-password"
            spellcheck={false}
            autofocus
          />
        )}
      </Field>
      <button type="submit" class="button primary wide" disabled={busy}>
        {busy ? t.signIn.busy : t.signIn.go}
      </button>
    </form>
  );
}

export function SignIn({ signedOut }: { signedOut: boolean }) {
  return (
    <main class="sign-in">
      <div class="sign-in-card">
        <Brand />
        <h1>{t.signIn.title}</h1>
        <p class="lead">{signedOut ? t.signIn.signedOut : t.signIn.lead}</p>
        <Form />
      </div>
      <div class="sign-in-art" aria-hidden="true">
        {[
          [[0, 62]],
          [
            [0, 34],
            [41, 88],
          ],
          [[0, 100]],
          [
            [0, 18],
            [46, 71],
          ],
          [[0, 9]],
          [[0, 77]],
          [
            [0, 52],
            [55, 93],
          ],
          [
            [0, 28],
            [28.6, 40],
            [66, 80],
          ],
        ].map((pieces, row) => (
          <span key={row}>
            {pieces.map(([from, to], at) => (
              <i key={at} style={{ left: `${from}%`, width: `${to! - from!}%` }} />
            ))}
          </span>
        ))}
      </div>
    </main>
  );
}

/** Over the view that was open, which stays as it is behind it. */
export function ExpiredSignIn({ was }: { was: LoginDocument }) {
  return (
    <Dialog title={t.signIn.expiredTitle} onClose={() => {}} locked>
      <p>{t.signIn.expiredLead(was.name)}</p>
      <Form />
      <button
        type="button"
        class="link"
        onClick={() => void signOut().catch(() => location.reload())}
      >
        {t.signIn.elsewhere}
      </button>
    </Dialog>
  );
}
