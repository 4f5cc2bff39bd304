import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { MOST_AT_ONCE, groups as groupsApi } from '../api/admin';
import { customProviders as api, type Grants } from '../api/providers';
import type { Group, Permissions, Provider } from '../api/types';
import { Dialog } from './dialog';
import { namesIn } from '../state/names-in';
import { useAct } from './field';
import { TroubleNote } from './trouble';

interface Props {
  readonly provider: Provider;
  readonly onClose: () => void;
}

/** Why what runs in a session is nobody else's: the rule that makes it private. */
function Private({ provider, onClose }: Props) {
  return (
    <Dialog title={`Share ${provider.name}`} onClose={onClose}>
      <div class="provider-form">
        <p><strong>{`${provider.name} cannot be shared.`}</strong> It is a tunnel into your own session, and nobody else is let in there: not by a permission, a group, a key or an admin.</p>
        <p class="quiet">To offer a model to others, run its server where the hub can reach it and add it here as an endpoint. That can be shared with people, groups or everyone.</p>
        <div><button type="button" class="button" onClick={onClose}>Close</button></div>
      </div>
    </Dialog>
  );
}

function useGrants(provider: Provider) {
  const found = useSignal<Permissions | null>(null);
  const groups = useSignal<readonly Group[]>([]);
  const isSaved = useSignal(false);
  const state = useAct();
  useEffect(() => {
    void state.act(async () => {
      const [permissions, all] = await Promise.all([api.permissions(provider.id), groupsApi.list(null, MOST_AT_ONCE)]);
      groups.value = all.items;
      found.value = permissions;
    });
  }, [provider.id]);
  const save = (wanted: Grants): Promise<void> =>
    state.act(async () => {
      isSaved.value = false;
      await api.share(provider.id, wanted);
      found.value = await api.permissions(provider.id);
      isSaved.value = true;
    });
  return { found, groups, isSaved, save, ...state };
}

function Form({ permissions, state }: { readonly permissions: Permissions; readonly state: ReturnType<typeof useGrants> }) {
  const everyone = useSignal(permissions.everyone);
  const users = useSignal(permissions.users.map(({ name }) => name).join(', '));
  const chosen = useSignal<ReadonlySet<string>>(new Set(permissions.groups.map(({ id }) => id)));
  const submit = (event: Event): void => {
    event.preventDefault();
    void state.save({ users: namesIn(users.value), groups: [...chosen.value], everyone: everyone.value });
  };
  const toggle = (id: string, isOn: boolean): void => {
    chosen.value = new Set(isOn ? [...chosen.value, id] : [...chosen.value].filter((other) => other !== id));
  };
  return (
    <form class="provider-form" onSubmit={submit}>
      <p class="quiet">Whoever may use it sees it among their models and with their keys. They never see its key. Taking somebody off holds from their next request on.</p>
      <label class="check"><input type="checkbox" checked={everyone.value} onChange={(event) => (everyone.value = event.currentTarget.checked)} /> Everyone on this hub</label>
      <div class="field">
        <label for="grant-users">People</label>
        <input id="grant-users" class="input" autocomplete="off" autocapitalize="none" spellcheck={false} placeholder="bob, carol" value={users.value} onInput={(event) => (users.value = event.currentTarget.value)} />
      </div>
      {state.groups.value.length > 0 && (
        <fieldset class="choice">
          <legend>Groups</legend>
          {state.groups.value.map(({ id, name }) => (
            <label key={id}><input type="checkbox" checked={chosen.value.has(id)} onChange={(event) => toggle(id, event.currentTarget.checked)} /> {name}</label>
          ))}
        </fieldset>
      )}
      {state.trouble.value !== null && <TroubleNote trouble={state.trouble.value} />}
      <div class="dialog-acts">
        <button type="submit" class="button is-main" aria-disabled={state.isBusy.value}>Save</button>
        <span class="quiet" role="status">{state.isSaved.value ? 'Saved.' : ''}</span>
      </div>
    </form>
  );
}

function Sharing({ provider, onClose }: Props) {
  const state = useGrants(provider);
  return (
    <Dialog title={`Share ${provider.name}`} onClose={onClose}>
      {state.found.value === null ? state.trouble.value !== null && <TroubleNote trouble={state.trouble.value} /> : <Form permissions={state.found.value} state={state} />}
    </Dialog>
  );
}

/** Who may use a provider besides its owner; for a tunnel's, why nobody can. */
export function PermissionsDialog({ provider, onClose }: Props) {
  return provider.shareable ? <Sharing provider={provider} onClose={onClose} /> : <Private provider={provider} onClose={onClose} />;
}
