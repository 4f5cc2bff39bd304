import './door.css';
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { auth } from '../api/hub';
import { Mark } from '../components/icon';
import { IssuerButtons } from '../components/issuer-buttons';
import { Field, useAct } from '../components/field';
import { SignInForm } from '../components/sign-in-form';
import { TroubleNote } from '../components/trouble';
import { go, place } from '../router';
import { issuerTrouble, nextOf, tellSignedIn } from '../state/doors';
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

export function SignInPage() {
  const onSignedIn = async (): Promise<void> => {
    await enter();
    if (place.peek().pathname === '/sign-in') go('/', { replace: true });
  };
  return (
    <Door title="Sign in">
      {issuerTrouble.value !== null && <TroubleNote trouble={issuerTrouble.value} />}
      <IssuerButtons next={nextOf(place.value)} />
      <SignInForm onSignedIn={onSignedIn} />
    </Door>
  );
}

/** The end of a tab that was opened only to sign in: the page that waits for it goes on. */
export function SignedInPage() {
  useEffect(() => {
    tellSignedIn();
    window.close();
  }, []);
  return (
    <Door title="You are signed in">
      <p>The page that you came from goes on. You can close this one.</p>
      <a class="button" href="/">Go to your chats</a>
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
