import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import type { Trouble } from '../api/types';

/** Runs one act of a form: busy while it lasts, its trouble kept for the form to show. */
export function useAct() {
  const isBusy = useSignal(false);
  const trouble = useSignal<Trouble | null>(null);
  const act = async (work: () => Promise<unknown>): Promise<void> => {
    if (isBusy.value) return;
    isBusy.value = true;
    trouble.value = null;
    try {
      await work();
    } catch (error) {
      trouble.value = toTrouble(error);
    } finally {
      isBusy.value = false;
    }
  };
  return { isBusy, trouble, act };
}

interface FieldProps {
  readonly id: string;
  readonly label: string;
  readonly isSecret?: boolean;
  readonly autocomplete: string;
  readonly value: string;
  readonly onInput: (text: string) => void;
  readonly help?: string;
  /** The keyboard begins here. */
  readonly isFirst?: boolean;
  /** May stay empty. */
  readonly isOptional?: boolean;
}

export function Field({ id, label, isSecret = false, autocomplete, value, onInput, help, isFirst = false, isOptional = false }: FieldProps) {
  const input = useRef<HTMLInputElement>(null);
  // `autofocus` alone is what a dialog looks for, and does nothing for a field that comes later.
  useLayoutEffect(() => {
    if (isFirst) input.current?.focus();
  }, [isFirst]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        ref={input}
        id={id}
        class="input"
        {...(isSecret ? { type: 'password' as const } : { type: 'text' as const })}
        autocomplete={autocomplete}
        autocapitalize="none"
        spellcheck={false}
        required={!isOptional}
        autofocus={isFirst}
        aria-describedby={help === undefined ? undefined : `${id}-help`}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {help !== undefined && <p class="help" id={`${id}-help`}>{help}</p>}
    </div>
  );
}
