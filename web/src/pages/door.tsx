import './door.css';
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { auth } from '../api/hub';
import { toTrouble } from '../api/errors';
import type { Trouble } from '../api/types';
import { Mark } from '../components/icon';
import { TroubleNote } from '../components/trouble';
import { go, place } from '../router';
import { enter } from '../state/store';

/** The frame of the pages in front of the hub: sign-in, set-up, approval. */
export function Door({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Underpass`;
  }, [title]);
  return (
    <main class="door-page">
      <div class="door-card">
        <div class="door-brand"><Mark size={28} /> Underpass</div>
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

/** Runs one act of a form: busy while it lasts, its trouble kept for the form to show. */
function useAct() {
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

function Field({ id, label, isSecret = false, autocomplete, value, onInput, help, isFirst = false }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="input"
        {...(isSecret ? { type: 'password' as const } : { type: 'text' as const })}
        autocomplete={autocomplete}
        autocapitalize="none"
        spellcheck={false}
        autofocus={isFirst}
        required
        aria-describedby={help === undefined ? undefined : `${id}-help`}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {help !== undefined && <p class="help" id={`${id}-help`}>{help}</p>}
    </div>
  );
}

export function SignInPage() {
  const name = useSignal('');
  const password = useSignal('');
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    void act(async () => {
      await auth.signIn(name.value.trim(), password.value);
      await enter();
      if (place.peek().pathname === '/sign-in') go('/', { replace: true });
    });
  };
  return (
    <Door title="Sign in">
      <form class="door-form" onSubmit={submit}>
        <Field id="name" label="Name" autocomplete="username" isFirst value={name.value} onInput={(text) => (name.value = text)} />
        <Field id="password" label="Password" isSecret autocomplete="current-password" value={password.value} onInput={(text) => (password.value = text)} />
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <button type="submit" class="button is-main" aria-disabled={isBusy.value}>{isBusy.value ? 'Signing in' : 'Sign in'}</button>
      </form>
    </Door>
  );
}

export function SetUpPage() {
  const token = place.value.searchParams.get('token') ?? '';
  const name = useSignal('');
  const password = useSignal('');
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    void act(async () => {
      await auth.setUp(token, name.value.trim().toLowerCase(), password.value);
      await enter();
      go('/', { replace: true });
    });
  };
  if (token === '') {
    return (
      <Door title="Set up this hub">
        <p>This hub has no users yet. Open the link that it printed when it started; that link makes you its first admin.</p>
        <p class="help">It begins with {window.location.origin}/setup?token=</p>
      </Door>
    );
  }
  return (
    <Door title="Set up this hub">
      <p>You are the first one here, so this account can manage the hub and its users.</p>
      <form class="door-form" onSubmit={submit}>
        <Field id="name" label="Name" autocomplete="username" isFirst help="Small letters, digits, dots and dashes." value={name.value} onInput={(text) => (name.value = text)} />
        <Field id="password" label="Password" isSecret autocomplete="new-password" help="A sentence that only you know is a good one." value={password.value} onInput={(text) => (password.value = text)} />
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <button type="submit" class="button is-main" aria-disabled={isBusy.value}>{isBusy.value ? 'Making your account' : 'Make my account'}</button>
      </form>
    </Door>
  );
}

/** The hub does not answer at all. */
export function AwayPage() {
  return (
    <Door title="The hub does not answer">
      <p>Check that it runs and that this device is online. This page has lost nothing.</p>
      <button type="button" class="button is-main" onClick={() => void enter()}>Try again</button>
    </Door>
  );
}
