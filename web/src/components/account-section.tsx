import './account-section.css';
import { useSignal } from '@preact/signals';
import { me as api } from '../api/account';
import { closeAll } from '../state/conversations';
import { forgetDrafts } from '../state/drafts';
import { account, leave } from '../state/store';
import { Field, useAct } from './field';
import { TroubleNote } from './trouble';

/** How others see who one is, where something is shared. */
function ShownName() {
  const known = account.value?.display_name ?? account.value?.name ?? '';
  const typed = useSignal(known);
  const { isBusy, trouble, act } = useAct();
  const isSame = typed.value.trim() === known || typed.value.trim() === '';
  const submit = (event: Event): void => {
    event.preventDefault();
    if (isSame) return;
    void act(async () => {
      account.value = await api.rename(typed.value.trim());
      typed.value = account.value.display_name ?? account.value.name;
    });
  };
  return (
    <form class="account-form is-line" aria-label="Your name" onSubmit={submit}>
      <Field id="shown-name" label="Shown as" autocomplete="name" value={typed.value} onInput={(text) => (typed.value = text)} />
      <button type="submit" class="button" aria-disabled={isBusy.value || isSame}>Save</button>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
    </form>
  );
}

export function AccountSection() {
  const me = account.value;
  const { trouble, act } = useAct();
  const signOut = (): Promise<void> =>
    act(async () => {
      await leave();
      closeAll();
      forgetDrafts();
    });
  if (me === null) return null;
  return (
    <section class="section" aria-labelledby="account">
      <h2 id="account">Account</h2>
      <p class="section-lead">
        Signed in as <strong>{me.display_name ?? me.name}</strong>
        {me.display_name !== null && me.display_name !== me.name && ` (${me.name})`}
        {me.is_admin ? ', who can manage this hub.' : '.'}
      </p>
      <ShownName />
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div><button type="button" class="button" onClick={() => void signOut()}>Sign out</button></div>
    </section>
  );
}

/** A new password for a local account. Every other browser is signed out with it. */
export function PasswordSection({ onChanged }: { readonly onChanged: () => void }) {
  const current = useSignal('');
  const next = useSignal('');
  const isDone = useSignal(false);
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    isDone.value = false;
    void act(async () => {
      await api.setPassword(current.value, next.value);
      current.value = next.value = '';
      isDone.value = true;
      onChanged();
    });
  };
  if (account.value?.has_password !== true) return null;
  return (
    <section class="section" aria-labelledby="password-title">
      <h2 id="password-title">Password</h2>
      <form class="account-form" aria-labelledby="password-title" onSubmit={submit}>
        <input class="unseen" type="text" autocomplete="username" tabindex={-1} aria-hidden="true" readOnly value={account.value.name} />
        <Field id="current-password" label="The one you have" isSecret autocomplete="current-password" value={current.value} onInput={(text) => (current.value = text)} />
        <Field id="new-password" label="The new one" isSecret autocomplete="new-password" help="Eight characters or more. Every other browser is signed out." value={next.value} onInput={(text) => (next.value = text)} />
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <p class="account-said" role="status">{isDone.value ? 'Your password is changed. Other browsers are signed out.' : ''}</p>
        <div><button type="submit" class="button" aria-disabled={isBusy.value || current.value === '' || next.value === ''}>Change password</button></div>
      </form>
    </section>
  );
}
