import './providers.css';
import { useSignal } from '@preact/signals';
import { MessageSquare, Plus } from 'lucide';
import type { Provider } from '../api/types';
import { CopyButton } from '../components/copy';
import { Icon } from '../components/icon';
import { lazy } from '../components/lazy';
import { ProviderActs } from '../components/provider-acts';
import { Page } from '../components/shell';
import { Status } from '../components/status';
import { revivalOf } from '../state/acts';
import { now } from '../state/clock';
import { detailOf } from '../state/picker';
import { hidden, providers, world } from '../state/store';
import { openConnect } from '../state/ui';
import { contextLength } from '../words';

const ProviderDialog = lazy(async () => (await import('../components/provider-dialog')).ProviderDialog);

function Models({ provider }: { readonly provider: Provider }) {
  if (provider.models.length === 0) return null;
  return (
    <ul class="provider-models">
      {provider.models.map((model) => (
        <li key={model.id}>
          <code>{model.id}</code>
          {model.max_model_len !== null && <span class="row-facts">{`${contextLength(model.max_model_len) ?? ''} context`}</span>}
          <CopyButton isIcon label={`Copy the model id ${model.id}`} text={() => model.id} />
        </li>
      ))}
    </ul>
  );
}

function ProviderRow({ provider }: { readonly provider: Provider }) {
  const { session } = provider;
  const revival = provider.status === 'stopped' ? revivalOf(provider) : null;
  return (
    <li class="provider-row">
      <div class="provider-head">
        <h3>{provider.name}</h3>
        <Status status={provider.status} />
        <div class="provider-acts">
          <ProviderActs provider={provider} />
          {session !== null && <a class="button is-small is-bare" href={`/sessions/${session.id}`}>Session</a>}
          {revival !== null && <button type="button" class="button is-small" onClick={() => void revival.act()}>{revival.words}</button>}
          {provider.status === 'running' && (
            <a class="button is-small" href={`/?provider=${encodeURIComponent(provider.name)}`}><Icon of={MessageSquare} size={15} /> Chat</a>
          )}
        </div>
      </div>
      <p class="provider-detail">{detailOf(provider, now.value)}</p>
      {provider.description !== '' && <p class="provider-detail">{provider.description}</p>}
      <Models provider={provider} />
    </li>
  );
}

function Group({ title, lead, all }: { readonly title: string; readonly lead: string; readonly all: readonly Provider[] }) {
  if (all.length === 0) return null;
  return (
    <section class="section" aria-label={title}>
      <h2>{title}</h2>
      <p class="section-lead">{lead}</p>
      <ul class="rows">{all.map((provider) => <ProviderRow key={provider.id} provider={provider} />)}</ul>
    </section>
  );
}

function Programs() {
  const address = `${window.location.origin}/v1`;
  return (
    <section class="section" aria-label="For programs">
      <h2>For programs</h2>
      <p class="section-lead">Any OpenAI-compatible client reaches the same models here, with <a href="/settings">a key</a>. <a href="/tools">Connect tools</a> has their settings, filled in.</p>
      <div class="paste">
        <code tabindex={0}>{address}</code>
        <CopyButton text={() => address} label="Copy the base URL" />
      </div>
    </section>
  );
}

export function ProvidersPage() {
  const all = providers.value.filter(({ id }) => !hidden.value.has(id));
  const isAdding = useSignal(false);
  const close = (): void => {
    isAdding.value = false;
  };
  const acts = (
    <>
      <button type="button" class="button" onClick={() => (isAdding.value = true)}><Icon of={Plus} size={16} /> Add an endpoint</button>
      <button type="button" class="button is-main" onClick={openConnect}><Icon of={Plus} size={16} /> Connect a model</button>
    </>
  );
  return (
    <Page title="Providers" acts={acts}>
      <Group
        title="My sessions"
        lead="Models that run in your own sessions. They appear by themselves, and nobody else can see or use them."
        all={all.filter(({ type }) => type === 'openai-tunnel')}
      />
      <Group title="Shared endpoints" lead="Endpoints that somebody added to this hub." all={all.filter(({ type }) => type === 'openai')} />
      {all.length === 0 && world.value.isKnown && (
        <div class="empty">
          <h2>No providers yet</h2>
          <p>A provider is a place with models that you can chat with. It appears here by itself as soon as a tunnel with a model server behind it is open.</p>
          <pre tabindex={0}><code>{`underpass tunnel 8000 --openai --hub ${window.location.origin}`}</code></pre>
        </div>
      )}
      {all.length > 0 && <Programs />}
      {isAdding.value && <ProviderDialog provider={null} onSaved={close} onClose={close} />}
    </Page>
  );
}
