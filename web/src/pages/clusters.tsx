import './clusters.css';
import { sessions as api } from '../api/hub';
import type { Cluster } from '../api/types';
import { CopyButton } from '../components/copy';
import { Page } from '../components/shell';
import { useAct } from '../components/field';
import { SureButton } from '../components/sure-button';
import { TroubleNote } from '../components/trouble';
import { now } from '../state/clock';
import { namesOf, partitionsOf, type Partition } from '../state/partitions';
import { world } from '../state/store';
import { ago, filled, gpuWords } from '../words';

const KINDS: Readonly<Record<string, string>> = { slurm: 'Slurm', pbs: 'PBS', local: 'processes on this machine' };

function facts({ kind, host, capabilities: offer, created_at: joined }: Cluster, at: number): string {
  const scheduler = typeof offer.extra['scheduler'] === 'string' ? filled(offer.extra['scheduler']) : null;
  const cpus = offer.cpus === null || scheduler !== null ? null : `${offer.cpus} CPUs`;
  const since = joined === null ? null : `joined ${ago(joined, at)}`;
  return [scheduler ?? KINDS[kind] ?? kind, host, filled(offer.user) === null ? null : `as ${offer.user}`, cpus, gpuWords(offer.gpus), since].filter((part) => part !== null).join(' · ');
}

/** Whether it is connected: an icon of its own shape, and a word. */
function Online({ status }: { readonly status: Cluster['status'] }) {
  const isOnline = status === 'online';
  return <span class={isOnline ? 'online is-good' : 'online'} role="status"><span class="online-dot" aria-hidden="true" />{isOnline ? 'connected' : 'not connected'}</span>;
}

function Partitions({ all, of }: { readonly all: readonly Partition[]; readonly of: string }) {
  return (
    <div class="table-box" tabindex={0} role="region" aria-label={`Partitions of ${of}`}>
      <table class="table">
        <thead><tr><th scope="col">Partition</th>{['Time', 'Nodes', 'CPUs', 'Memory'].map((words) => <th key={words} scope="col" class="is-number">{words}</th>)}<th scope="col">GPUs a node</th></tr></thead>
        <tbody>
          {all.map((one) => (
            <tr key={one.name}>
              <th scope="row">{one.name}{one.isDefault && <span class="quiet"> default</span>}{!one.isUp && <span class="quiet"> down</span>}</th>
              {[one.time, one.nodes, one.cpus, one.memory].map((words, index) => <td key={index} class="is-number">{words}</td>)}
              <td>{one.gpus}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Taking a machine off: it is turned away from then on. */
function Removal({ cluster }: { readonly cluster: Cluster }) {
  const { isBusy, trouble, act } = useAct();
  return (
    <>
      <SureButton words="Remove" sure={`Yes, remove ${cluster.name}`} isBusy={isBusy.value} onSure={() => void act(() => api.removeCluster(cluster.id))} />
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
    </>
  );
}

function ClusterCard({ cluster }: { readonly cluster: Cluster }) {
  const { extra, programs } = cluster.capabilities;
  const partitions = partitionsOf(extra);
  const accounts = namesOf(extra, 'accounts');
  const servers = Object.entries(programs).filter(([, path]) => path !== null).map(([name]) => name);
  return (
    <section class="cluster-card" aria-label={cluster.name}>
      <div class="cluster-head">
        <h2>{cluster.name}</h2>
        <Online status={cluster.status} />
        <div class="cluster-acts">
          {cluster.owner !== null && <Removal cluster={cluster} />}
          {cluster.status === 'online' && <a class="button is-small" href={`/sessions/new?cluster=${encodeURIComponent(cluster.id)}`}>Start a session here</a>}
        </div>
      </div>
      <p class="cluster-facts">{facts(cluster, now.value)}</p>
      {cluster.status === 'offline' && <p class="quiet">Sessions that run there go on. To start others, run <code>underpass clusters join</code> there again.</p>}
      {partitions.length > 0 && <Partitions all={partitions} of={cluster.name} />}
      {accounts.length > 0 && <p class="cluster-facts">{`Accounts: ${accounts.join(', ')}`}</p>}
      {servers.length > 0 && <p class="cluster-facts">{`Found there: ${servers.join(', ')}`}</p>}
    </section>
  );
}

function Join() {
  const line = `underpass clusters join --hub ${window.location.origin}`;
  return (
    <section class="section" aria-labelledby="join">
      <h2 id="join">Join a cluster</h2>
      <p class="section-lead">Run this on a login node of yours, or on any machine with GPUs. It finds the scheduler, dials out, and needs no inbound port; the hub gets no password and no key of the cluster. Your jobs run as you.</p>
      <div class="paste">
        <code tabindex={0}>{line}</code>
        <CopyButton text={() => line} label="Copy the command" />
      </div>
      <p class="quiet">Without joining, <code>underpass sessions start --here</code> on a login node submits one job, and <code>underpass tunnel 8000 --openai</code> inside a session that you have opens a tunnel.</p>
    </section>
  );
}

/** Where one's sessions can run. */
export function ClustersPage() {
  const all = [...world.value.clusters.values()].sort((a, b) => Number(a.owner !== null) - Number(b.owner !== null) || a.name.localeCompare(b.name));
  return (
    <Page title="Clusters">
      {all.length === 0 && world.value.isKnown && (
        <div class="empty">
          <h2>No clusters yet</h2>
          <p>A cluster is a place where your sessions run: a Slurm or PBS cluster through its login node, or a machine of your own.</p>
        </div>
      )}
      {all.map((cluster) => <ClusterCard key={cluster.id} cluster={cluster} />)}
      <Join />
    </Page>
  );
}
