import './usage.css';
import { useSignal, type Signal } from '@preact/signals';
import { Download } from 'lucide';
import { useEffect } from 'preact/hooks';
import { usage as api, type Apart, type UsageQuery } from '../api/usage';
import type { Usage } from '../api/types';
import { BarChart } from '../components/bar-chart';
import { Icon } from '../components/icon';
import { ListingFoot, useListing } from '../components/listing';
import { Page } from '../components/shell';
import { now } from '../state/clock';
import { account } from '../state/store';
import { dayBars, firstDay, mostFirst, short, type Measure } from '../state/usage';
import { loadUsageNames, usageName } from '../state/usage-names';

const RANGES = [7, 30, 90] as const;
const MEASURES: readonly { readonly id: Measure; readonly words: string }[] = [
  { id: 'tokens', words: 'Tokens' },
  { id: 'requests', words: 'Requests' },
  { id: 'failures', words: 'Errors' },
];
const GROUPS: readonly { readonly id: Apart; readonly words: string; readonly isForAdmins?: boolean }[] = [
  { id: 'user', words: 'User', isForAdmins: true },
  { id: 'model', words: 'Model' },
  { id: 'provider', words: 'Provider' },
  { id: 'key', words: 'Key' },
  { id: 'session', words: 'Session' },
];

interface ChoiceProps<T extends string | number> {
  readonly label: string;
  readonly of: readonly { readonly id: T; readonly words: string }[];
  readonly chosen: Signal<T>;
}

function Choice<T extends string | number>({ label, of, chosen }: ChoiceProps<T>) {
  return (
    <fieldset class="segments">
      <legend class="unseen">{label}</legend>
      {of.map(({ id, words }) => (
        <label key={id} class={chosen.value === id ? 'segment is-chosen' : 'segment'}>
          <input class="unseen" type="radio" name={label} checked={chosen.value === id} onChange={() => (chosen.value = id)} />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

function Sums({ total }: { readonly total: Usage | undefined }) {
  const sums: readonly (readonly [string, string])[] = [
    ['Requests', short(total?.requests ?? 0)],
    ['Tokens in', short(total?.tokens_in ?? 0)],
    ['Tokens out', short(total?.tokens_out ?? 0)],
    ['Errors', short(total?.failures ?? 0)],
    ['First token', seconds(total?.first_byte_s ?? null)],
    ['Tokens a second', rate(total?.tokens_per_s ?? null)],
  ];
  return (
    <dl class="sums">
      {sums.map(([words, value]) => (
        <div key={words} class="sum"><dt>{words}</dt><dd>{value}</dd></div>
      ))}
    </dl>
  );
}

/** A mean time, or a dash where nothing was measured. */
function seconds(value: number | null): string {
  if (value === null) return '–';
  return value < 1 ? `${Math.round(value * 1000)}\u00a0ms` : `${value.toFixed(1)}\u00a0s`;
}

/** A mean of tokens a second, to a tenth where that says something. */
function rate(value: number | null): string {
  if (value === null) return '–';
  return value < 1000 ? value.toFixed(1) : short(value);
}

function Rows({ sums, group }: { readonly sums: readonly Usage[]; readonly group: Apart }) {
  return (
    <div class="table-box" tabindex={0} role="region" aria-label="Sums">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{GROUPS.find(({ id }) => id === group)?.words}</th>
            {['Requests', 'Errors', 'Tokens in', 'Tokens out', 'First token', 'Tokens/s'].map((words) => <th key={words} scope="col" class="is-number">{words}</th>)}
          </tr>
        </thead>
        <tbody>
          {mostFirst(sums).map((one) => {
            const name = usageName(one, group);
            return (
              <tr key={name.id}>
                <th scope="row">{name.words}</th>
                {[one.requests, one.failures, one.tokens_in, one.tokens_out].map((count, index) => <td key={index} class="is-number">{count.toLocaleString()}</td>)}
                <td class="is-number">{seconds(one.first_byte_s)}</td>
                <td class="is-number">{rate(one.tokens_per_s)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function useUsage() {
  const days = useSignal<number>(30);
  const measure = useSignal<Measure>('tokens');
  const isAdmin = account.value?.is_admin === true;
  const whose = useSignal<'mine' | 'everyone'>('mine');
  const group = useSignal<Apart>('model');
  const everyone = isAdmin && whose.value === 'everyone';
  const asked = (by: readonly Apart[]): UsageQuery => ({ since: firstDay(days.value, now.value), by, everyone });
  const shown = [days.value, everyone];
  const total = useListing(() => api.sums(asked(['total'])), shown);
  const daily = useListing(() => api.sums(asked(['day'])), shown);
  const grouped = useListing(() => api.sums(asked([group.value])), [...shown, group.value]);
  useEffect(() => void loadUsageNames(everyone), [everyone]);
  return { days, measure, isAdmin, whose, group, everyone, asked, total, daily, grouped };
}

/** What one used, or all did: by day, and told apart by model, provider, key or session. */
export function UsagePage() {
  const { days, measure, isAdmin, whose, group, everyone, asked, total, daily, grouped } = useUsage();
  const isEmpty = total.items.value !== null && total.items.value.length === 0;
  const words = MEASURES.find(({ id }) => id === measure.value)?.words ?? '';
  const csv = <a class="button" href={api.csvPath(asked(['day', ...(everyone ? (['user'] as const) : []), 'provider', 'model', 'key', 'session']))} download="usage.csv"><Icon of={Download} size={16} /> CSV</a>;
  return (
    <Page title="Usage" acts={csv}>
      <div class="usage-choices">
        <Choice label="Days" of={RANGES.map((id) => ({ id, words: `${id} days` }))} chosen={days} />
        {isAdmin && <Choice label="Whose" of={[{ id: 'mine', words: 'Mine' }, { id: 'everyone', words: 'Everybody' }]} chosen={whose} />}
      </div>
      <ListingFoot of={total} />
      {isEmpty ? (
        <div class="empty">
          <h2>Nothing used yet</h2>
          <p>Every answer counts here: those of AI Chat, and those of programs with a key of yours. What was asked and answered is never kept for it.</p>
          <a class="button" href="/tools">Connect tools</a>
        </div>
      ) : (
        <>
          <Sums total={total.items.value?.[0]} />
          <section class="section" aria-labelledby="by-day">
            <div class="usage-head">
              <h2 id="by-day">By day</h2>
              <Choice label="Measure" of={MEASURES} chosen={measure} />
            </div>
            <BarChart bars={dayBars(daily.items.value ?? [], days.value, now.value, measure.value)} words={words} />
          </section>
          <section class="section" aria-labelledby="told-apart">
            <div class="usage-head">
              <h2 id="told-apart">Told apart</h2>
              <Choice label="Told apart by" of={GROUPS.filter(({ isForAdmins }) => isForAdmins !== true || everyone)} chosen={group} />
            </div>
            <Rows sums={grouped.items.value ?? []} group={group.value} />
            <ListingFoot of={grouped} />
          </section>
        </>
      )}
    </Page>
  );
}
