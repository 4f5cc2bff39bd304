import { Plus } from 'lucide';
import type { Session } from '../api/types';
import { Icon } from '../components/icon';
import { Page } from '../components/shell';
import { StartForm } from '../components/start-form';
import { Status } from '../components/status';
import { go } from '../router';
import { now } from '../state/clock';
import { providerOfSession, sessions, world } from '../state/store';
import { openConnect } from '../state/ui';
import { ago, endWords, timeLeft } from '../words';

/** What matters about a session now: where it is and how long still, or how it ended. */
function facts(session: Session, at: number): string {
  const isOver = session.status === 'stopped' || session.status === 'failed';
  const models = providerOfSession(session.id)?.models.map((model) => model.name).join(', ');
  const parts = isOver
    ? [endWords(session.end_reason), session.ended_at === null ? null : ago(session.ended_at, at)]
    : [models, session.host ?? session.cluster?.name, session.status === 'running' ? timeLeft(session.wall_time_ends_at, at) : session.status_reason];
  return parts.filter((part) => typeof part === 'string' && part !== '').join(' · ');
}

function SessionRow({ session }: { readonly session: Session }) {
  return (
    <li>
      <a class="row-link" href={`/sessions/${session.id}`}>
        <span class="row-name">{session.name}</span>
        <span class="row-facts">{facts(session, now.value)}</span>
        <Status status={session.status} />
      </a>
    </li>
  );
}

function Empty() {
  return (
    <div class="empty">
      <h2>No sessions yet</h2>
      <p>A session is compute that you asked for, with a model server in it. Start one here, or run this inside one that you have:</p>
      <pre tabindex={0}><code>{`underpass tunnel 8000 --openai --hub ${window.location.origin}`}</code></pre>
      <button type="button" class="button" onClick={openConnect}>Connect a model</button>
    </div>
  );
}

export function SessionsPage() {
  const all = sessions.value;
  return (
    <Page title="Sessions" acts={<a class="button is-main" href="/sessions/new"><Icon of={Plus} size={16} /> Start session</a>}>
      {all.length > 0 && <ul class="rows">{all.map((session) => <SessionRow key={session.id} session={session} />)}</ul>}
      {all.length === 0 && world.value.isKnown && <Empty />}
    </Page>
  );
}

export function NewSessionPage() {
  return (
    <Page title="Start a session">
      <p class="section-lead">Choose what runs in it. Its model appears in your chat by itself, and in nobody else's.</p>
      <StartForm onStarted={(session) => go(`/sessions/${session.id}`)} />
    </Page>
  );
}
