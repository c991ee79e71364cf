import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../text/en';
import { Icon } from './icons';

/** One of a few; a radio group that looks like a switch. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: readonly { value: T; text: ComponentChildren; title?: string }[];
  onChange: (value: T) => void;
}) {
  const name = useId();
  return (
    <div class="choice" role="radiogroup" aria-label={label}>
      {options.map((option) => (
        <label
          key={option.value}
          title={option.title}
          class={option.value === value ? 'chosen' : ''}
        >
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
            aria-label={option.title}
          />
          <span>{option.text}</span>
        </label>
      ))}
    </div>
  );
}

export function TableToggle({ on, onChange }: { on: boolean; onChange: (on: boolean) => void }) {
  return (
    <button
      type="button"
      class="button quiet table-toggle"
      aria-pressed={on}
      onClick={() => onChange(!on)}
    >
      <Icon name={on ? 'picture' : 'table'} size={16} />
      <span>{on ? t.table.asPicture : t.table.asTable}</span>
    </button>
  );
}

/** A modal dialog; Escape and the button close it, and the focus goes back to where it was. */
export function Dialog({
  title,
  onClose,
  children,
  locked,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** Cannot be waved away. */
  locked?: boolean;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      class={locked ? 'dialog dialog-locked' : 'dialog'}
      onCancel={(event) => {
        event.preventDefault();
        if (!locked) onClose();
      }}
      onKeyDown={(event) => {
        if (locked && event.key === 'Escape') event.preventDefault();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {!locked && (
          <button
            type="button"
            class="icon-button"
            aria-label={t.moduleForm.cancel}
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}

/** A labelled field with a hint or an error below it. */
export function Field({
  label,
  hint,
  error,
  children,
}: {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  children: (ids: {
    id: string;
    'aria-describedby': string | undefined;
    'aria-invalid': boolean;
  }) => ComponentChildren;
}) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div class={error ? 'field field-wrong' : 'field'}>
      <label for={id}>{label}</label>
      {children({
        id,
        'aria-describedby': note ? `${id}-note` : undefined,
        'aria-invalid': error !== undefined,
      })}
      {note && (
        <p id={`${id}-note`} role={error ? 'alert' : undefined}>
          {note}
        </p>
      )}
    </div>
  );
}

export function Figure({
  label,
  value,
  note,
}: {
  label: string;
  value: ComponentChildren;
  note?: ComponentChildren;
}) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

export function Bar({ percent, label }: { percent: number; label: string }) {
  return (
    <span class="bar" role="img" aria-label={label}>
      <i style={{ width: `${Math.min(Math.max(percent, 0), 100)}%` }} />
    </span>
  );
}
