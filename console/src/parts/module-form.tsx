import { useState } from 'preact/hooks';
import { api, type ModuleDocument, Problem } from '../core/api';
import {
  changesOf,
  durationText,
  type ModuleMistakes,
  type ModuleText,
  parseModule,
} from '../core/module-input';
import { t } from '../text/en';
import { Dialog, Field } from './controls';

const MISTAKES: Record<keyof ModuleText, string> = {
  id: t.moduleForm.badId,
  title: t.moduleForm.badTitle,
  duration: t.moduleForm.badDuration,
  threshold: t.moduleForm.badThreshold,
  rate: t.moduleForm.badRate,
  preview: t.moduleForm.badPreview,
};

const textOf = (module: ModuleDocument | undefined): ModuleText => ({
  id: module?.module ?? '',
  title: module?.title ?? '',
  duration: module ? durationText(module.duration_ms) : '',
  threshold: String(module?.mastery_threshold ?? 95),
  rate: String(module?.max_rate ?? 2),
  preview: module?.preview_url ?? '',
});

/** Checks the text and stores the module. */
function useSubmit(
  text: ModuleText,
  of: ModuleDocument | undefined,
  onSaved: (module: ModuleDocument) => void,
) {
  const [mistakes, setMistakes] = useState<ModuleMistakes>({});
  const [refused, setRefused] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    const { input, mistakes: found } = parseModule(text);
    setMistakes(found);
    setRefused(undefined);
    if (!input) {
      const first = Object.keys(found)[0];
      if (first) (form.elements.namedItem(first) as HTMLElement | null)?.focus();
      return;
    }
    setBusy(true);
    try {
      if (of) {
        const changes = changesOf(parseModule(textOf(of)).input, input);
        return onSaved(await api.patchModule(of.module, changes));
      }
      if (!(await exists(text.id))) return onSaved(await api.putModule(text.id, input));
      setRefused(t.moduleForm.taken);
    } catch (problem) {
      setRefused(
        problem instanceof Problem && problem.status > 0
          ? t.state.fault(problem.detail)
          : t.state.unreachableTitle,
      );
    }
    setBusy(false);
  };
  return { mistakes, refused, busy, submit };
}

/** Adds a module, or edits `of`. */
export function ModuleForm({
  of,
  onClose,
  onSaved,
}: {
  of?: ModuleDocument | undefined;
  onClose: () => void;
  onSaved: (module: ModuleDocument) => void;
}) {
  const [text, setText] = useState<ModuleText>(textOf(of));
  // Not the module as somebody else has changed it meanwhile.
  const [shown] = useState(of);
  const { mistakes, refused, busy, submit } = useSubmit(text, shown, onSaved);
  const words = t.moduleForm;
  const field = (
    name: keyof ModuleText,
    label: string,
    hint?: string,
    more: { inputMode?: 'decimal' | 'url'; disabled?: boolean } = {},
  ) => (
    <Field label={label} hint={hint} error={mistakes[name] ? MISTAKES[name] : undefined}>
      {(ids) => (
        <input
          {...ids}
          {...more}
          name={name}
          value={text[name]}
          autocomplete="off"
          onInput={(event) => setText({ ...text, [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
  return (
    <Dialog title={of ? words.editTitle : words.newTitle} onClose={onClose}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        {field('id', words.id, words.idHint, { disabled: of !== undefined })}
        {field('title', words.name)}
        <div class="two">
          {field('duration', words.duration, words.durationHint)}
          {field('threshold', words.threshold, undefined, { inputMode: 'decimal' })}
        </div>
        {field('rate', words.rate, words.rateHint, { inputMode: 'decimal' })}
        {field('preview', words.preview, words.previewHint, { inputMode: 'url' })}
        {refused && (
          <p class="refused" role="alert">
            {refused}
          </p>
        )}
        <footer>
          <button type="button" class="button" onClick={onClose}>
            {words.cancel}
          </button>
          <button type="submit" class="button primary" disabled={busy}>
            {busy ? words.saving : words.save}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** PUT replaces: a new module must not silently take the place of another. */
async function exists(id: string): Promise<boolean> {
  try {
    await api.module(id);
    return true;
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) return false;
    throw problem;
  }
}
