import './tunnels.css';
import type { Provider, Session, Tunnel } from '../api/types';
import { setOpenai, startTunnel, stopTunnel } from '../state/acts';
import { providers, tunnelsOf } from '../state/store';
import { bytes, filled } from '../words';
import { Status } from './status';

function modelFacts(provider: Provider): string {
  const server = provider.server === null ? null : [provider.server.kind, provider.server.version].filter(Boolean).join(' ');
  const models = provider.models.map((model) => model.name).join(', ');
  const reason = provider.status === 'running' ? null : filled(provider.status_reason);
  return [models, server, reason].filter((part) => part !== null && part !== '').join(' · ');
}

function TunnelItem({ tunnel, session }: { readonly tunnel: Tunnel; readonly session: Session }) {
  const provider = providers.value.find((one) => one.tunnel?.id === tunnel.id);
  const isStopped = tunnel.status === 'stopped';
  return (
    <li class="tunnel">
      <div class="tunnel-line">
        <span class="row-name">{tunnel.name}</span>
        <span class="row-facts">{`${tunnel.target} · ${bytes(tunnel.bytes_out)} out · ${bytes(tunnel.bytes_in)} in`}</span>
        <Status status={tunnel.status} />
      </div>
      {provider !== undefined && (
        <div class="tunnel-line">
          <span class="row-facts">{modelFacts(provider)}</span>
          <Status status={provider.status} words={`model ${provider.status}`} />
        </div>
      )}
      {session.status === 'running' && (
        <div class="tunnel-acts">
          <label class="check">
            <input type="checkbox" checked={tunnel.openai} onChange={(event) => void setOpenai(tunnel, event.currentTarget.checked)} />
            Its models are in my chat and behind my keys
          </label>
          <button type="button" class="button is-small" onClick={() => void (isStopped ? startTunnel(tunnel) : stopTunnel(tunnel))}>
            {isStopped ? 'Start tunnel' : 'Stop tunnel'}
          </button>
        </div>
      )}
    </li>
  );
}

/** The tunnels of a session, what passes through them, and what they are used for. */
export function Tunnels({ session }: { readonly session: Session }) {
  const all = tunnelsOf(session.id);
  if (all.length === 0) return null;
  return (
    <section class="section" aria-labelledby="tunnels">
      <h2 id="tunnels">{all.length === 1 ? 'Tunnel' : 'Tunnels'}</h2>
      <ul class="rows">{all.map((tunnel) => <TunnelItem key={tunnel.id} tunnel={tunnel} session={session} />)}</ul>
    </section>
  );
}
