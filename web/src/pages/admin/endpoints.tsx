import { everybodys } from '../../api/admin';
import { ListingFoot, useListing } from '../../components/listing';
import { ProviderActs } from '../../components/provider-acts';
import { Status } from '../../components/status';
import { hidden } from '../../state/store';

/** All custom providers, whoever added them. Those that come of tunnels are not among them. */
export function EndpointsSection() {
  const all = useListing(() => everybodys.providers());
  const shown = (all.items.value ?? []).filter(({ id }) => !hidden.value.has(id));
  return (
    <section class="section" aria-label="Providers">
      <p class="section-lead">Endpoints that people added. What runs in somebody's session is not listed here: it is theirs alone.</p>
      <ul class="rows">
        {shown.map((one) => (
          <li class="row-item" key={one.id}>
            <div class="row-words">
              <span class="row-name">{one.name}</span>
              <p class="row-facts">{[`of ${one.owner.name}`, one.endpoint?.base_url, `${one.models.length} models`].filter((part) => part !== undefined).join(' · ')}</p>
              {one.status_reason !== '' && <p class="row-facts">{one.status_reason}</p>}
            </div>
            <div class="row-acts">
              <Status status={one.status} />
              <ProviderActs provider={one} onChanged={() => void all.load()} />
            </div>
          </li>
        ))}
      </ul>
      {all.items.value?.length === 0 && <p class="quiet">Nobody has added an endpoint.</p>}
      <ListingFoot of={all} />
    </section>
  );
}
