import './connect.css';
import { useSignal } from '@preact/signals';
import { MessageSquare } from 'lucide';
import type { Session } from '../api/types';
import { connectSteps, followed, isReady } from '../state/connect';
import { account, providerOfSession, sessions, tunnelsOf, world } from '../state/store';
import { isConnectOpen } from '../state/ui';
import { CopyButton } from './copy';
import { Dialog } from './dialog';
import { Icon } from './icon';
import { StartForm } from './start-form';
import { Status } from './status';

function hubAddress(): string {
  return account.value?.hub.url ?? window.location.origin;
}

function Paste() {
  const line = `underpass tunnel 8000 --openai --hub ${hubAddress()}`;
  return (
    <div class="door-body">
      <p>Run this where your model server listens. Put its port in the place of 8000.</p>
      <div class="paste">
        <code tabindex={0}>{line}</code>
        <CopyButton text={() => line} label="Copy the command" />
      </div>
      <p class="help">
        It prints a link and a short code. Open the link here, say that it is you, and the model is in your chat. Nobody else can see it.
      </p>
    </div>
  );
}

function Steps({ session, onDone }: { readonly session: Session | null; readonly onDone: () => void }) {
  const tunnel = session === null ? null : (tunnelsOf(session.id)[0] ?? null);
  const provider = session === null ? null : providerOfSession(session.id);
  const steps = connectSteps(session, tunnel, provider);
  return (
    <div class="steps" aria-live="polite">
      <ol>
        {steps.map((step) => (
          <li key={step.name} class={step.status === null ? 'step is-ahead' : 'step'}>
            <span class="step-name">{step.name}</span>
            {step.status === null ? <span class="step-ahead">{step.words}</span> : <Status status={step.status} words={step.words} />}
          </li>
        ))}
      </ol>
      {isReady(steps) && provider !== null && (
        <a class="button is-main" href={`/?provider=${encodeURIComponent(provider.name)}`} onClick={onDone}>
          <Icon of={MessageSquare} size={16} /> Chat now
        </a>
      )}
    </div>
  );
}

const DOORS = [
  { id: 'mine', title: 'I have a session', words: 'A model server runs, or will: one line to paste.' },
  { id: 'start', title: 'Start one for me', words: 'From a template, on this hub or a cluster.' },
] as const;

/** Two doors to a model, and below them how far it has come. */
export function ConnectPanel({ onDone }: { readonly onDone: () => void }) {
  const door = useSignal<(typeof DOORS)[number]['id']>('mine');
  const started = useSignal<string | null>(null);
  // Sessions that were there before the panel are not the one it waits for; the snapshot may come later.
  const before = useSignal<ReadonlySet<string> | null>(null);
  if (before.value === null && world.value.isKnown) before.value = new Set(sessions.value.map(({ id }) => id));
  const session = followed(sessions.value, started.value, before.value ?? new Set(sessions.value.map(({ id }) => id)));
  return (
    <div class="connect">
      <div class="doors" role="radiogroup" aria-label="How to connect a model">
        {DOORS.map(({ id, title, words }) => (
          <label key={id} class={door.value === id ? 'door is-open' : 'door'}>
            <input type="radio" name="door" checked={door.value === id} onChange={() => (door.value = id)} />
            <span class="door-title">{title}</span>
            <span class="door-words">{words}</span>
          </label>
        ))}
      </div>
      {door.value === 'mine' ? <Paste /> : <StartForm onStarted={(one) => (started.value = one.id)} />}
      <Steps session={session} onDone={onDone} />
      <p class="quiet">Your programs can use your models too: <a href="/tools" onClick={onDone}>Connect tools</a> has their settings, filled in.</p>
    </div>
  );
}

export function ConnectDialog() {
  if (!isConnectOpen.value) return null;
  const close = (): void => {
    isConnectOpen.value = false;
  };
  return (
    <Dialog title="Connect a model" onClose={close}>
      <ConnectPanel onDone={close} />
    </Dialog>
  );
}
