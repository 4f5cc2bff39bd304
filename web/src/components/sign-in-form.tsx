import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { ApiError, toTrouble } from '../api/errors';
import { auth } from '../api/hub';
import type { Trouble } from '../api/types';
import { TroubleNote } from './trouble';

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
  readonly isFirst?: boolean;
}

export function Field({ id, label, isSecret = false, autocomplete, value, onInput, help, isFirst = false }: FieldProps) {
  const input = useRef<HTMLInputElement>(null);
  // Not `autofocus`, which does nothing for a field that comes later, as that of the second step.
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
        required
        aria-describedby={help === undefined ? undefined : `${id}-help`}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {help !== undefined && <p class="help" id={`${id}-help`}>{help}</p>}
    </div>
  );
}

interface SignInFormProps {
  /** Who it was, when the page knows. */
  readonly knownName?: string;
  readonly onSignedIn: () => Promise<unknown>;
}

/** Name and password, then the code of whoever has a second step; what comes after is the page's. */
export function SignInForm({ knownName = '', onSignedIn }: SignInFormProps) {
  const name = useSignal(knownName);
  const password = useSignal('');
  const code = useSignal('');
  const isSecondStep = useSignal(false);
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    void act(async () => {
      try {
        await auth.signIn(name.value.trim(), password.value, isSecondStep.value ? code.value.trim() : undefined);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'second_step_needed') throw error;
        isSecondStep.value = true;
        return;
      }
      await onSignedIn();
    });
  };
  if (isSecondStep.value) {
    return (
      <form key="second-step" class="door-form" onSubmit={submit}>
        <Field id="code" label="Code" autocomplete="one-time-code" isFirst help="The one that your app shows now, or one of your recovery codes." value={code.value} onInput={(text) => (code.value = text)} />
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <button type="submit" class="button is-main" aria-disabled={isBusy.value}>{isBusy.value ? 'Signing in' : 'Continue'}</button>
        <button type="button" class="button is-bare" onClick={() => (isSecondStep.value = false)}>Somebody else</button>
      </form>
    );
  }
  return (
    <form key="first-step" class="door-form" onSubmit={submit}>
      <Field id="name" label="Name" autocomplete="username" isFirst={knownName === ''} value={name.value} onInput={(text) => (name.value = text)} />
      <Field id="password" label="Password" isSecret autocomplete="current-password" isFirst={knownName !== ''} value={password.value} onInput={(text) => (password.value = text)} />
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <button type="submit" class="button is-main" aria-disabled={isBusy.value}>{isBusy.value ? 'Signing in' : 'Sign in'}</button>
    </form>
  );
}
