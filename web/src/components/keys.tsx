import './keys.css';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { keys as api, type NewKey } from '../api/hub';
import type { Key, Trouble } from '../api/types';
import { now } from '../state/clock';
import { hidden } from '../state/store';
import { removeWithUndo } from '../state/undo';
import { ago } from '../words';
import { CopyButton } from './copy';
import { TroubleNote } from './trouble';

const SCOPES = [
  { id: 'gateway', words: 'Use models through /v1' },
  { id: 'read', words: 'See sessions, tunnels and providers' },
  { id: 'sessions', words: 'Start and stop sessions' },
] as const;

const DAY_S = 86_400;
const LIVES = [
  { days: 30, words: '30 days' },
  { days: 90, words: '90 days' },
  { days: 365, words: 'one year' },
  { days: 0, words: 'until revoked' },
] as const;

function useKeys() {
  const all = useSignal<readonly Key[] | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const fresh = useSignal<NewKey | null>(null);
  const isBusy = useSignal(false);
  const attempt = async (work: () => Promise<void>): Promise<void> => {
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
  const load = () => attempt(async () => void (all.value = (await api.list()).items));
  const create = (name: string, scopes: readonly string[], days: number) =>
    attempt(async () => {
      const expires = days === 0 ? {} : { expires_at: new Date(Date.now() + days * DAY_S * 1000).toISOString() };
      fresh.value = await api.create({ name, scopes, ...expires });
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

interface CreateProps {
  readonly isBusy: boolean;
  readonly onCreate: (name: string, scopes: readonly string[], days: number) => void;
}

function CreateForm({ isBusy, onCreate }: CreateProps) {
  const name = useSignal('');
  const scopes = useSignal<readonly string[]>(['gateway']);
  const days = useSignal(90);
  const toggle = (id: string, isOn: boolean): void => {
    scopes.value = isOn ? [...scopes.value, id] : scopes.value.filter((other) => other !== id);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (name.value.trim() === '' || scopes.value.length === 0 || isBusy) return;
    onCreate(name.value.trim(), scopes.value, days.value);
    name.value = '';
  };
  return (
    <form class="key-form" onSubmit={submit} aria-label="Create a key">
      <div class="field">
        <label for="key-name">Name</label>
        <input id="key-name" class="input" required placeholder="notebook" autocomplete="off" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="key-life">Works for</label>
        <select id="key-life" class="input" value={String(days.value)} onChange={(event) => (days.value = Number(event.currentTarget.value))}>
          {LIVES.map((life) => <option key={life.days} value={String(life.days)}>{life.words}</option>)}
        </select>
      </div>
      <fieldset class="choice key-scopes">
        <legend>May</legend>
        {SCOPES.map(({ id, words }) => (
          <label key={id}>
            <input type="checkbox" checked={scopes.value.includes(id)} onChange={(event) => toggle(id, event.currentTarget.checked)} />
            {words}
          </label>
        ))}
      </fieldset>
      <div><button type="submit" class="button is-main" aria-disabled={isBusy || scopes.value.length === 0}>Create key</button></div>
    </form>
  );
}

function lifeOf(key: Key, at: number): string {
  if (key.expires_at === null) return 'works until revoked';
  const day = new Date(key.expires_at).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  return Date.parse(key.expires_at) < at ? `expired on ${day}` : `works until ${day}`;
}

function KeyRow({ item, onRevoke }: { readonly item: Key; readonly onRevoke: () => void }) {
  const used = item.last_used_at === null ? 'never used' : `used ${ago(item.last_used_at, now.value)}`;
  return (
    <li class="key-row">
      <div class="key-words">
        <span class="row-name">{item.name}</span> <code>{`${item.prefix}…`}</code>
        <p class="row-facts">{[item.scopes.join(', '), lifeOf(item, now.value), used].join(' · ')}</p>
      </div>
      <button type="button" class="button is-small is-bad" onClick={onRevoke}>Revoke</button>
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
      <CreateForm isBusy={isBusy.value} onCreate={(name, scopes, days) => void create(name, scopes, days)} />
    </section>
  );
}
