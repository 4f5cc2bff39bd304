import { everybodys } from '../../api/admin';
import { tunnels as api } from '../../api/hub';
import type { AnyTunnel } from '../../api/types';
import { ListingFoot, swap, useListing } from '../../components/listing';
import { useAct } from '../../components/field';
import { Status } from '../../components/status';
import { SureButton } from '../../components/sure-button';
import { TroubleNote } from '../../components/trouble';
import { now } from '../../state/clock';
import { ago, bytes } from '../../words';

const shortId = (id: string): string => id.slice(-6);

function facts(tunnel: AnyTunnel, at: number): string {
  const since = tunnel.created_at === null ? null : `opened ${ago(tunnel.created_at, at)}`;
  return [`${bytes(tunnel.bytes_in)} in`, `${bytes(tunnel.bytes_out)} out`, since].filter((part) => part !== null).join(' · ');
}

/** That tunnels exist: whose, their status, how much passed. What passes is nobody's to see. */
export function TunnelsSection() {
  const all = useListing(() => everybodys.tunnels());
  const { isBusy, trouble, act } = useAct();
  const stop = (tunnel: AnyTunnel): void =>
    void act(async () => {
      const { status } = await api.stop(tunnel.id);
      swap(all, tunnel.id, { ...tunnel, status });
    });
  return (
    <section class="section" aria-label="Tunnels">
      <p class="section-lead">That each tunnel exists, whose it is and how much passed. Nobody but its owner can use one, see where it leads or read what passes; you can stop it.</p>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <ul class="rows">
        {(all.items.value ?? []).map((one) => (
          <li class="row-item" key={one.id}>
            <div class="row-words">
              <span class="row-name">{one.owner.name}</span> <code>{`…${shortId(one.id)}`}</code>
              <p class="row-facts">{facts(one, now.value)}</p>
            </div>
            <div class="row-acts">
              <Status status={one.status} />
              {one.status !== 'stopped' && <SureButton words="Stop" sure={`Yes, stop ${one.owner.name}'s tunnel`} label={`Stop the tunnel …${shortId(one.id)} of ${one.owner.name}`} isBusy={isBusy.value} onSure={() => stop(one)} />}
            </div>
          </li>
        ))}
      </ul>
      {all.items.value?.length === 0 && <p class="quiet">No tunnel is known to this hub.</p>}
      <ListingFoot of={all} />
    </section>
  );
}
