import { useComputed, useSignal } from '@preact/signals';
import { Download } from 'lucide';
import { MOST_AT_ONCE, everybodys, people, type AuditFilters } from '../../api/admin';
import type { AuditEntry } from '../../api/types';
import { Icon } from '../../components/icon';
import { ListingFoot, useListing } from '../../components/listing';

const KINDS = [
  ['', 'everything'], ['sign_in', 'sign-ins'], ['sign_in.', 'failed sign-ins'], ['key.', 'keys'], ['provider.', 'providers and grants'], ['tunnel.', 'tunnels'],
  ['session.', 'sessions'], ['cluster.', 'clusters'], ['user.', 'users'], ['group.', 'groups'], ['device.', 'devices'], ['password.', 'passwords'], ['two_step.', 'two-step sign-in'],
] as const;

/** "name: value" of what an act says beside its subject, in a line. */
function detailWords(detail: AuditEntry['detail']): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name.replaceAll('_', ' ')}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' · ');
}

/** The beginning of a day, or of the one so many days later; empty for no day. */
function midnight(day: string, later: number): string {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(at) ? '' : new Date(at + later * 86_400_000).toISOString();
}

function Entry({ entry, actor }: { readonly entry: AuditEntry; readonly actor: string }) {
  return (
    <tr>
      <td>{entry.at === null ? '' : <time dateTime={entry.at}>{new Date(entry.at).toLocaleString()}</time>}</td>
      <td>{actor}</td>
      <th scope="row"><code>{entry.action}</code></th>
      <td>{entry.subject}</td>
      <td>{entry.address}</td>
      <td class="audit-detail">{detailWords(entry.detail)}</td>
    </tr>
  );
}

/** Who did what to what, from where and when; never what was said. */
export function AuditSection() {
  const filters = useSignal<AuditFilters>({ actor: '', action: '', subject: '', since: '', until: '' });
  const users = useListing((after) => people.list(after, MOST_AT_ONCE));
  const names = useComputed(() => new Map((users.items.value ?? []).map(({ id, name }) => [id, name])));
  const asked = { ...filters.value, since: midnight(filters.value.since, 0), until: midnight(filters.value.until, 1) };
  const all = useListing((after) => everybodys.audit(asked, after), Object.values(asked));
  const set = (name: keyof AuditFilters) => (event: { readonly currentTarget: { readonly value: string } }): void => {
    filters.value = { ...filters.value, [name]: event.currentTarget.value };
  };
  return (
    <section class="section" aria-label="Audit">
      <form class="audit-filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <div class="field">
          <label for="audit-actor">Who</label>
          <select id="audit-actor" class="input" value={filters.value.actor} onChange={set('actor')}>
            <option value="">everybody</option>
            {[...names.value].map(([id, name]) => <option key={id} value={id}>{name}</option>)}
          </select>
        </div>
        <div class="field">
          <label for="audit-action">What</label>
          <select id="audit-action" class="input" value={filters.value.action} onChange={set('action')}>
            {KINDS.map(([id, words]) => <option key={id} value={id}>{words}</option>)}
          </select>
        </div>
        <div class="field">
          <label for="audit-subject">To what</label>
          <input id="audit-subject" class="input" autocomplete="off" value={filters.value.subject} onChange={set('subject')} />
        </div>
        <div class="field">
          <label for="audit-since">Since (UTC)</label>
          <input id="audit-since" class="input" type="date" value={filters.value.since} onChange={set('since')} />
        </div>
        <div class="field">
          <label for="audit-until">Until (UTC)</label>
          <input id="audit-until" class="input" type="date" value={filters.value.until} onChange={set('until')} />
        </div>
      </form>
      <div><a class="button" href={everybodys.auditPath(asked)} download="audit.jsonl"><Icon of={Download} size={16} /> JSON lines</a></div>
      <div class="table-box" tabindex={0} role="region" aria-label="Acts">
        <table class="table">
          <thead><tr>{['When', 'Who', 'What', 'To what', 'From', ''].map((words) => <th key={words} scope="col">{words === '' ? <span class="unseen">Detail</span> : words}</th>)}</tr></thead>
          <tbody>{(all.items.value ?? []).map((one) => <Entry key={one.id} entry={one} actor={one.actor_id === null ? 'nobody' : (names.value.get(one.actor_id) ?? one.actor_id)} />)}</tbody>
        </table>
      </div>
      {all.items.value?.length === 0 && <p class="quiet">No act fits.</p>}
      <ListingFoot of={all} />
    </section>
  );
}
