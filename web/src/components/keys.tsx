import './keys.css';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { keys as api, type KeyIn, type NewKey } from '../api/hub';
import type { Key, Trouble } from '../api/types';
import { now } from '../state/clock';
import { hidden } from '../state/store';
import { removeWithUndo } from '../state/undo';
import { ago } from '../words';
import { CopyButton } from './copy';
import { KeyForm } from './key-form';
import { TroubleNote } from './trouble';

function useKeys() {
  const all = useSignal<readonly Key[] | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const fresh = useSignal<NewKey | null>(null);
  const isBusy = useSignal(false);
  const attempt = async (work: () => Promise<void>): Promise<boolean> => {
    isBusy.value = true;
    trouble.value = null;
    try {
      await work();
      return true;
    } catch (error) {
      trouble.value = toTrouble(error);
      return false;
    } finally {
      isBusy.value = false;
    }
  };
  const load = () => attempt(async () => void (all.value = (await api.list()).items));
  const create = (wanted: KeyIn) =>
    attempt(async () => {
      fresh.value = await api.create(wanted);
      all.value = [fresh.value.key, ...(all.peek() ?? [])];
    });
  const revoke = (key: Key): void => {
    removeWithUndo(key.id, `Key ${key.name} revoked.`, async () => {
      await api.revoke(key.id);
      await load();
    });
  };
  return { all, trouble, fresh, isBusy, load, create, revoke };
}

function Secret({ fresh, onDone }: { readonly fresh: NewKey; readonly onDone: () => void }) {
  return (
    <div class="secret" role="status">
      <p><strong>{`The key ${fresh.key.name} is shown this once.`}</strong> Keep it where the program can read it; the hub cannot show it again.</p>
      <div class="paste">
        <code tabindex={0}>{fresh.secret}</code>
        <CopyButton text={() => fresh.secret} label="Copy the key" />
      </div>
      <button type="button" class="button is-small" onClick={onDone}>I have it</button>
    </div>
  );
}

function lifeOf(key: Key, at: number): string {
  if (key.expires_at === null) return 'works until revoked';
  const day = new Date(key.expires_at).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  return Date.parse(key.expires_at) < at ? `expired on ${day}` : `works until ${day}`;
}

/** What it may use, and how much, where that is not all. */
function limitWords(key: Key): string {
  const minute = key.requests_per_minute === null ? null : `${key.requests_per_minute.toLocaleString()} requests a minute`;
  const day = key.tokens_per_day === null ? null : `${key.tokens_per_day.toLocaleString()} tokens a day`;
  return [key.model_allow === null ? null : `only ${key.model_allow.join(', ')}`, minute, day].filter((part) => part !== null).join(' · ');
}

function KeyRow({ item, onRevoke }: { readonly item: Key; readonly onRevoke: () => void }) {
  const used = item.last_used_at === null ? 'never used' : `used ${ago(item.last_used_at, now.value)}`;
  return (
    <li class="row-item">
      <div class="row-words">
        <span class="row-name">{item.name}</span> <code>{`${item.prefix}…`}</code>
        <p class="row-facts">{[item.scopes.join(', '), lifeOf(item, now.value), used].join(' · ')}</p>
        {limitWords(item) !== '' && <p class="row-facts">{limitWords(item)}</p>}
      </div>
      <button type="button" class="button is-small is-bad" aria-label={`Revoke ${item.name}`} onClick={onRevoke}>Revoke</button>
    </li>
  );
}

/** Keys for programs: made here, shown once, revoked here. */
export function KeysSection() {
  const { all, trouble, fresh, isBusy, load, create, revoke } = useKeys();
  useEffect(() => void load(), []);
  const shown = (all.value ?? []).filter(({ id, revoked_at: revoked }) => revoked === null && !hidden.value.has(id));
  return (
    <section class="section" aria-labelledby="keys">
      <h2 id="keys">Keys</h2>
      <p class="section-lead">A key lets a program use your models and sessions as you. Give each program its own.</p>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      {fresh.value !== null && <Secret fresh={fresh.value} onDone={() => (fresh.value = null)} />}
      {shown.length > 0 && <ul class="rows">{shown.map((key) => <KeyRow key={key.id} item={key} onRevoke={() => revoke(key)} />)}</ul>}
      <KeyForm isBusy={isBusy.value} onCreate={(wanted) => create(wanted)} />
      <p class="quiet">Settings for your programs, filled in: <a href="/tools">Connect tools</a>.</p>
    </section>
  );
}
