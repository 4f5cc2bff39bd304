import { useSignal } from '@preact/signals';
import { Plus } from 'lucide';
import { MOST_AT_ONCE, groups as api, people } from '../../api/admin';
import type { Group, User } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { Icon } from '../../components/icon';
import { ListingFoot, swap, useListing } from '../../components/listing';
import { Field, useAct } from '../../components/field';
import { SureButton } from '../../components/sure-button';
import { TroubleNote } from '../../components/trouble';
import { LimitsForm } from './limits-form';

function NewGroupDialog({ onDone, onClose }: { readonly onDone: (group: Group) => void; readonly onClose: () => void }) {
  const name = useSignal('');
  const { isBusy, trouble, act } = useAct();
  const submit = (event: Event): void => {
    event.preventDefault();
    void act(async () => onDone(await api.add(name.value.trim())));
  };
  return (
    <Dialog title="Add a group" isForm onClose={onClose}>
      <form class="admin-form" onSubmit={submit}>
        <Field id="group-name" label="Name" isFirst autocomplete="off" value={name.value} onInput={(text) => (name.value = text)} />
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <div><button type="submit" class="button is-main" aria-disabled={isBusy.value || name.value.trim() === ''}>Add</button></div>
      </form>
    </Dialog>
  );
}

interface MembersProps {
  readonly group: Group;
  readonly members: readonly string[];
  readonly users: readonly User[];
  readonly onChange: (ids: readonly string[]) => void;
}

/** Who is in it. Whom a sign-in issuer puts there is taken out there, too. */
function Members({ group, members, users, onChange }: MembersProps) {
  return (
    <fieldset class="choice members">
      <legend class="unseen">Members</legend>
      {users.map(({ id, name }) => {
        const isClaimed = group.claimed?.includes(id) === true;
        return (
          <label key={id}>
            <input type="checkbox" checked={members.includes(id)} disabled={isClaimed} onChange={(event) => onChange(event.currentTarget.checked ? [...members, id] : members.filter((other) => other !== id))} />
            {name} {isClaimed && <span class="quiet">by their sign-in</span>}
          </label>
        );
      })}
    </fieldset>
  );
}

interface EditProps {
  readonly group: Group;
  readonly users: readonly User[];
  readonly onChanged: (group: Group) => void;
  readonly onGone: () => void;
  readonly onClose: () => void;
}

function GroupDialog({ group, users, onChanged, onGone, onClose }: EditProps) {
  const name = useSignal(group.name);
  const { isBusy, trouble, act } = useAct();
  // Shown at once; what the hub then says is what holds.
  const wanted = useSignal<readonly string[] | null>(null);
  const setMembers = (members: readonly string[]): void => {
    wanted.value = members;
    void act(async () => onChanged(await api.change(group.id, { members }))).finally(() => (wanted.value = null));
  };
  const rename = (event: Event): void => {
    event.preventDefault();
    void act(async () => onChanged(await api.change(group.id, { name: name.value.trim() })));
  };
  const remove = (): void =>
    void act(async () => {
      await api.remove(group.id);
      onGone();
    });
  return (
    <Dialog title={group.name} onClose={onClose}>
      <form class="admin-form" aria-label="Group" onSubmit={rename}>
        <Field id="group-name" label="Name" autocomplete="off" value={name.value} onInput={(text) => (name.value = text)} />
        <div><button type="submit" class="button" aria-disabled={isBusy.value || name.value.trim() === '' || name.value.trim() === group.name}>Rename</button></div>
      </form>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="admin-form admin-apart">
        <h3>Members</h3>
        <Members group={group} members={wanted.value ?? group.members ?? []} users={users} onChange={setMembers} />
      </div>
      <LimitsForm kind="groups" id={group.id} />
      <div class="admin-acts admin-apart">
        <SureButton isSmall={false} words="Remove the group" sure={`Yes, remove ${group.name}`} isBusy={isBusy.value} onSure={remove} />
        <span class="quiet">Its members stay users. What was shared with it is theirs no more.</span>
      </div>
    </Dialog>
  );
}

export function GroupsSection() {
  const all = useListing((after) => api.list(after));
  const users = useListing((after) => people.list(after, MOST_AT_ONCE));
  const opened = useSignal<string | null>(null);
  const close = (): void => {
    opened.value = null;
  };
  const group = all.items.value?.find(({ id }) => id === opened.value);
  return (
    <section class="section" aria-label="Groups">
      <p class="section-lead">Custom providers can be shared with groups, and limits set for them. Members come from a sign-in issuer, or are chosen here.</p>
      <div><button type="button" class="button is-main" onClick={() => (opened.value = 'new')}><Icon of={Plus} size={16} /> Add a group</button></div>
      <ul class="rows">
        {(all.items.value ?? []).map((one) => (
          <li class="row-item" key={one.id}>
            <div class="row-words">
              <span class="row-name">{one.name}</span>
              <p class="row-facts">{one.members?.length === 1 ? '1 member' : `${one.members?.length ?? 0} members`}</p>
            </div>
            <button type="button" class="button is-small" aria-label={`Edit ${one.name}`} onClick={() => (opened.value = one.id)}>Edit</button>
          </li>
        ))}
      </ul>
      <ListingFoot of={all} />
      {opened.value === 'new' && (
        <NewGroupDialog
          onClose={close}
          onDone={(made) => {
            all.items.value = [made, ...(all.items.peek() ?? [])];
            opened.value = made.id;
          }}
        />
      )}
      {group !== undefined && (
        <GroupDialog
          group={group}
          users={users.items.value ?? []}
          onClose={close}
          onChanged={(next) => swap(all, group.id, next)}
          onGone={() => {
            swap(all, group.id, null);
            close();
          }}
        />
      )}
    </section>
  );
}
