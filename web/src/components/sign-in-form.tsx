import { useSignal } from '@preact/signals';
import { ApiError } from '../api/errors';
import { auth } from '../api/hub';
import { Field, useAct } from './field';
import { TroubleNote } from './trouble';

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
