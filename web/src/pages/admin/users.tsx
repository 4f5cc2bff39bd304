import { useSignal } from '@preact/signals';
import { Plus } from 'lucide';
import { people as api, type UserChange } from '../../api/admin';
import type { User } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { Icon } from '../../components/icon';
import { ListingFoot, swap, useListing } from '../../components/listing';
import { Field, useAct } from '../../components/field';
import { SureButton } from '../../components/sure-button';
import { TroubleNote } from '../../components/trouble';
import { account } from '../../state/store';
import { filled } from '../../words';
import { LimitsForm } from './limits-form';

function NewUserDialog({ onDone, onClose }: { readonly onDone: (user: User) => void; readonly onClose: () => void }) {
  const name = useSignal('');
  const shown = useSignal('');
  const email = useSignal('');
  const password = useSignal('');
  const isAdmin = useSignal(false);
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    void act(async () =>
      onDone(
        await api.add({
          name: name.value.trim(), password: filled(password.value), display_name: filled(shown.value.trim()),
          email: filled(email.value.trim()), is_admin: isAdmin.value,
        }),
      ),
    );
  };
  return (
    <Dialog title="Add a user" isForm onClose={onClose}>
      <form class="admin-form" onSubmit={submit}>
        <div class="two">
          <Field id="user-name" label="Name" isFirst autocomplete="off" help="What they sign in with." value={name.value} onInput={(text) => (name.value = text)} />
          <Field id="user-shown" isOptional label="Shown as" autocomplete="off" value={shown.value} onInput={(text) => (shown.value = text)} />
        </div>
        <Field id="user-email" isOptional label="Address" autocomplete="off" help="Links the account to a sign-in issuer, where the hub trusts one." value={email.value} onInput={(text) => (email.value = text)} />
        <Field id="user-password" isOptional label="Password" isSecret autocomplete="new-password" help="Leave it empty for somebody who signs in through an issuer or a proxy." value={password.value} onInput={(text) => (password.value = text)} />
        <label class="check"><input type="checkbox" checked={isAdmin.value} onChange={(event) => (isAdmin.value = event.currentTarget.checked)} /> May manage this hub</label>
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <div><button type="submit" class="button is-main" aria-disabled={isBusy.value || name.value.trim() === ''}>Add</button></div>
      </form>
    </Dialog>
  );
}

interface EditProps {
  readonly user: User;
  readonly onChanged: (user: User) => void;
  readonly onGone: () => void;
  readonly onClose: () => void;
}

/** A new password, the second step, and what a user may do. */
function Access({ user, change }: { readonly user: User; readonly change: (body: UserChange, said: string) => void }) {
  const password = useSignal('');
  const resetPassword = (event: Event): void => {
    event.preventDefault();
    if (password.value === '') return;
    change({ password: password.value }, 'The password is set; their browsers are signed out.');
    password.value = '';
  };
  return (
    <>
      <form class="admin-form admin-apart" aria-label="Password" onSubmit={resetPassword}>
        <Field id="user-password" isOptional label="New password" isSecret autocomplete="new-password" value={password.value} onInput={(text) => (password.value = text)} />
        <div><button type="submit" class="button" aria-disabled={password.value === ''}>Set password</button></div>
      </form>
      <div class="admin-acts admin-apart">
        <button type="button" class="button" onClick={() => change({ is_admin: !user.is_admin }, user.is_admin ? 'No admin any more.' : 'An admin now.')}>
          {user.is_admin ? 'Take the admin role away' : 'Make an admin'}
        </button>
        {user.is_disabled ? (
          <button type="button" class="button" onClick={() => change({ is_disabled: false }, 'Enabled.')}>Enable</button>
        ) : (
          <SureButton isSmall={false} words="Disable" sure={`Yes, disable ${user.name} and stop all that is theirs`} onSure={() => change({ is_disabled: true }, 'Disabled. Everything of theirs has stopped.')} />
        )}
      </div>
    </>
  );
}

/** Removing asks for the name: it takes chats, keys and sessions along, and nothing brings them back. */
function Removal({ user, onGone }: { readonly user: User; readonly onGone: () => void }) {
  const typed = useSignal('');
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    if (typed.value !== user.name) return;
    void act(async () => {
      await api.remove(user.id, user.id === account.value?.id ? user.name : null);
      onGone();
    });
  };
  return (
    <form class="admin-form admin-apart" aria-label="Remove" onSubmit={submit}>
      {user.is_disabled ? (
        <p><a class="button" href={api.exportPath(user.id)} download={`${user.name}.zip`}>Export everything</a> <span class="quiet">Account, chats, usage and acts, as a ZIP.</span></p>
      ) : (
        <p class="quiet">What a user has can be exported once they are disabled.</p>
      )}
      <Field id="user-remove" isOptional label={`To remove ${user.name} with all chats, keys and sessions, type the name`} autocomplete="off" value={typed.value} onInput={(text) => (typed.value = text)} />
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div><button type="submit" class="button is-bad" aria-disabled={isBusy.value || typed.value !== user.name}>Remove for good</button></div>
    </form>
  );
}

function UserDialog({ user, onChanged, onGone, onClose }: EditProps) {
  const shown = useSignal(user.display_name);
  const email = useSignal(user.email ?? '');
  const said = useSignal('');
  const { isBusy, trouble, act } = useAct();
  const change = (body: UserChange, words: string): void => {
    said.value = '';
    void act(async () => {
      onChanged(await api.change(user.id, body));
      said.value = words;
    });
  };
  const resetTwoStep = (): void =>
    void act(async () => {
      await api.resetTwoStep(user.id);
      onChanged({ ...user, has_two_step: false });
      said.value = 'Two-step sign-in is off: they can set it up anew.';
    });
  const submit = (event: Event): void => {
    event.preventDefault();
    change({ display_name: shown.value.trim() || user.name, email: email.value.trim() }, 'Saved.');
  };
  return (
    <Dialog title={user.name} onClose={onClose}>
      <form class="admin-form" aria-label="Account" onSubmit={submit}>
        <div class="two">
          <Field id="user-shown" isOptional label="Shown as" autocomplete="off" value={shown.value} onInput={(text) => (shown.value = text)} />
          <Field id="user-email" isOptional label="Address" autocomplete="off" value={email.value} onInput={(text) => (email.value = text)} />
        </div>
        <div class="admin-acts">
          <button type="submit" class="button" aria-disabled={isBusy.value}>Save</button>
          {user.has_two_step && <button type="button" class="button" onClick={resetTwoStep}>Reset two-step sign-in</button>}
        </div>
      </form>
      <p class="quiet" role="status">{said.value}</p>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <Access user={user} change={change} />
      <LimitsForm kind="users" id={user.id} />
      <Removal user={user} onGone={onGone} />
    </Dialog>
  );
}

function UserRow({ user, onOpen }: { readonly user: User; readonly onOpen: () => void }) {
  const facts = [user.display_name === user.name ? null : user.display_name, user.email, user.has_password ? 'password' : 'no password', user.has_two_step ? 'two-step' : null];
  return (
    <li class="row-item">
      <div class="row-words">
        <span class="row-name">{user.name}</span> {user.is_admin && <span class="tag">admin</span>} {user.is_disabled && <span class="tag is-wait">disabled</span>}
        <p class="row-facts">{facts.filter((part) => part !== null).join(' · ')}</p>
      </div>
      <button type="button" class="button is-small" aria-label={`Edit ${user.name}`} onClick={onOpen}>Edit</button>
    </li>
  );
}

export function UsersSection() {
  const all = useListing((after) => api.list(after));
  const opened = useSignal<string | null>(null);
  const close = (): void => {
    opened.value = null;
  };
  const user = all.items.value?.find(({ id }) => id === opened.value);
  return (
    <section class="section" aria-label="Users">
      <div><button type="button" class="button is-main" onClick={() => (opened.value = 'new')}><Icon of={Plus} size={16} /> Add a user</button></div>
      <ul class="rows">{(all.items.value ?? []).map((one) => <UserRow key={one.id} user={one} onOpen={() => (opened.value = one.id)} />)}</ul>
      <ListingFoot of={all} />
      {opened.value === 'new' && (
        <NewUserDialog
          onClose={close}
          onDone={(made) => {
            all.items.value = [made, ...(all.items.peek() ?? [])];
            close();
          }}
        />
      )}
      {user !== undefined && (
        <UserDialog
          user={user}
          onClose={close}
          onChanged={(next) => swap(all, user.id, next)}
          onGone={() => {
            swap(all, user.id, null);
            close();
          }}
        />
      )}
    </section>
  );
}
