/** What the ids in sums of usage are called. What is gone since is known by its id alone. */
import { signal } from '@preact/signals';
import type { Apart } from '../api/usage';
import { MOST_AT_ONCE, people } from '../api/admin';
import { keys } from '../api/hub';
import type { Usage } from '../api/types';
import { world } from './store';

const named = signal<ReadonlyMap<string, string>>(new Map());

/** Fetches the names of keys, and for an admin's sums those of users. Sums are readable without, by ids. */
export async function loadUsageNames(isEveryone: boolean): Promise<void> {
  const lists = [keys.list(), ...(isEveryone ? [people.list(null, MOST_AT_ONCE)] : [])];
  const found = await Promise.allSettled<{ readonly items: readonly { readonly id: string; readonly name: string }[] }>(lists);
  const pairs = found.flatMap((one) => (one.status === 'fulfilled' ? one.value.items.map(({ id, name }) => [id, name] as const) : []));
  named.value = new Map([...named.peek(), ...pairs]);
}

const NOTHING: Readonly<Record<Apart, string>> = {
  key: 'AI Chat', session: 'no session', provider: 'no provider', model: 'no model', user: 'nobody', day: '', total: '',
};

/** The id of what a sum is of, and its name. */
export function usageName(one: Usage, group: Apart): { readonly id: string; readonly words: string } {
  const ids: Readonly<Record<Apart, string | null>> = {
    key: one.key_id, session: one.session_id, provider: one.provider_id, model: one.model, user: one.user_id, day: one.day, total: null,
  };
  const id = ids[group];
  if (id === null) return { id: '', words: NOTHING[group] };
  const words = world.value.providers.get(id)?.name ?? world.value.sessions.get(id)?.name ?? named.value.get(id) ?? id;
  return { id, words };
}
