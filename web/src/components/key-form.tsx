import { useSignal, type Signal } from '@preact/signals';
import type { KeyIn } from '../api/hub';
import { account, providers } from '../state/store';

const SCOPES = [
  { id: 'gateway', words: 'Use models through /v1' },
  { id: 'read', words: 'See sessions, tunnels and providers' },
  { id: 'sessions', words: 'Start and stop sessions' },
] as const;
const ADMIN = { id: 'admin', words: 'Manage this hub, as you can' } as const;

const DAY_MS = 86_400_000;
const LIVES = [
  { days: 30, words: '30 days' },
  { days: 90, words: '90 days' },
  { days: 365, words: 'one year' },
  { days: 0, words: 'until revoked' },
] as const;

/** A field's number; null for an empty one: no limit. */
export const numberIn = (text: string): number | null => (text.trim() === '' ? null : Number(text));

/** Model ids, separated by spaces, commas or lines; null when there is none: all of them. */
export function modelsIn(text: string): readonly string[] | null {
  const ids = [...new Set(text.split(/[\s,]+/).filter((id) => id !== ''))];
  return ids.length === 0 ? null : ids;
}

interface LimitProps {
  readonly id: string;
  readonly label: string;
  readonly value: Signal<string>;
  readonly most: number;
}

/** How much at most; empty for as much as one likes. */
export function LimitField({ id, label, value, most }: LimitProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} class="input" type="number" inputMode="numeric" min={1} max={most} step={1} placeholder="no limit" value={value.value} onInput={(event) => (value.value = event.currentTarget.value)} />
    </div>
  );
}

export const MOST_A_MINUTE = 1_000_000;
export const MOST_A_DAY = Number.MAX_SAFE_INTEGER;

function useKeyForm() {
  const name = useSignal('');
  const days = useSignal(90);
  const scopes = useSignal<readonly string[]>(['gateway', 'read']);
  const models = useSignal('');
  const perMinute = useSignal('');
  const perDay = useSignal('');
  const toggle = (id: string, isOn: boolean): void => {
    scopes.value = isOn ? [...scopes.value, id] : scopes.value.filter((other) => other !== id);
  };
  const wanted = (): KeyIn => ({
    name: name.value.trim(),
    scopes: scopes.value,
    expires_at: days.value === 0 ? null : new Date(Date.now() + days.value * DAY_MS).toISOString(),
    model_allow: modelsIn(models.value),
    requests_per_minute: numberIn(perMinute.value),
    tokens_per_day: numberIn(perDay.value),
  });
  const clear = (): void => {
    name.value = models.value = perMinute.value = perDay.value = '';
  };
  return { name, days, scopes, models, perMinute, perDay, toggle, wanted, clear };
}

function Limits({ form }: { readonly form: ReturnType<typeof useKeyForm> }) {
  const known = providers.value.flatMap((provider) => provider.models.map(({ id }) => id));
  return (
    <details class="key-limits">
      <summary>Limits</summary>
      <div class="key-limits-body">
        <div class="field is-wide">
          <label for="key-models">Only these models</label>
          <textarea id="key-models" class="input" rows={2} spellcheck={false} autocomplete="off" aria-describedby="key-models-help" placeholder={known[0] ?? 'PROVIDER/MODEL'} value={form.models.value} onInput={(event) => (form.models.value = event.currentTarget.value)} />
          <p class="help" id="key-models-help">Ids as the providers page shows them, one a line. Empty for all of yours.</p>
        </div>
        <LimitField id="key-minute" label="Requests a minute" value={form.perMinute} most={MOST_A_MINUTE} />
        <LimitField id="key-day" label="Tokens a day" value={form.perDay} most={MOST_A_DAY} />
      </div>
    </details>
  );
}

interface Props {
  readonly isBusy: boolean;
  /** Answers whether it was made; what was typed stays when it was not. */
  readonly onCreate: (wanted: KeyIn) => Promise<boolean>;
}

/** What a key may do, for how long, and how much. */
export function KeyForm({ isBusy, onCreate }: Props) {
  const form = useKeyForm();
  const { name, days, scopes } = form;
  const offered = account.value?.is_admin === true ? [...SCOPES, ADMIN] : SCOPES;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (name.value.trim() === '' || scopes.value.length === 0 || isBusy) return;
    if (await onCreate(form.wanted())) form.clear();
  };
  return (
    <form class="key-form" onSubmit={(event) => void submit(event)} aria-label="Create a key">
      <div class="field">
        <label for="key-name">Name</label>
        <input id="key-name" class="input" required maxLength={100} placeholder="notebook" autocomplete="off" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
      </div>
      <div class="field">
        <label for="key-life">Works for</label>
        <select id="key-life" class="input" value={String(days.value)} onChange={(event) => (days.value = Number(event.currentTarget.value))}>
          {LIVES.map((life) => <option key={life.days} value={String(life.days)}>{life.words}</option>)}
        </select>
      </div>
      <fieldset class="choice key-scopes">
        <legend>May</legend>
        {offered.map(({ id, words }) => (
          <label key={id}>
            <input type="checkbox" checked={scopes.value.includes(id)} onChange={(event) => form.toggle(id, event.currentTarget.checked)} />
            {words}
          </label>
        ))}
      </fieldset>
      <Limits form={form} />
      <div><button type="submit" class="button is-main" aria-disabled={isBusy || scopes.value.length === 0}>Create key</button></div>
    </form>
  );
}
