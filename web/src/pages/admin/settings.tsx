import { useSignal } from '@preact/signals';
import { everybodys } from '../../api/admin';
import { ListingFoot, useListing } from '../../components/listing';

/** What this hub runs with, and where each value comes from. They are changed where the hub is started. */
export function SettingsSection() {
  const all = useListing(() => everybodys.settings());
  const isSetOnly = useSignal(false);
  const shown = (all.items.value ?? []).filter(({ is_default: isDefault }) => !isSetOnly.value || !isDefault);
  return (
    <section class="section" aria-label="Settings in force">
      <p class="section-lead">A value comes from the first of: a flag, a variable, the settings file, the default. They are changed where the hub is started.</p>
      <label class="check"><input type="checkbox" checked={isSetOnly.value} onChange={(event) => (isSetOnly.value = event.currentTarget.checked)} /> Only what is set</label>
      <div class="table-box" tabindex={0} role="region" aria-label="Settings and their sources">
        <table class="table">
          <thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">From</th><th scope="col">Effect</th></tr></thead>
          <tbody>
            {shown.map(({ name, value, source, effect, is_default: isDefault }) => (
              <tr key={name}>
                <th scope="row"><code>{name}</code></th>
                <td>{value}</td>
                <td class={isDefault ? 'quiet' : undefined}>{source}</td>
                <td class="quiet">{effect.replaceAll('`', '')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <ListingFoot of={all} />
    </section>
  );
}
