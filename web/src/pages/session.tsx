import './session.css';
import { useSignal } from '@preact/signals';
import { MessageSquare, RotateCcw, Square, Trash2 } from 'lucide';
import { useEffect } from 'preact/hooks';
import { isNotFound } from '../api/client';
import { toTrouble } from '../api/errors';
import { sessions as api } from '../api/hub';
import type { Session, TimelineEvent, Trouble } from '../api/types';
import { Icon } from '../components/icon';
import { LogView } from '../components/log';
import { Page } from '../components/shell';
import { SessionNotice } from '../components/session-notice';
import { Status } from '../components/status';
import { Timeline } from '../components/timeline';
import { Tunnels } from '../components/tunnels';
import { TroubleNote } from '../components/trouble';
import { path } from '../router';
import { removeSession, restartSession, sessionTroubles, stopSession } from '../state/acts';
import { now } from '../state/clock';
import { providerOfSession, tunnelsOf, world } from '../state/store';
import { endWords, filled, gpuWords, span, secondsBetween, timeLeft } from '../words';

const isOver = (session: Session): boolean => session.status === 'stopped' || session.status === 'failed';

/** Ending a session that is answering somebody says so first. */
function StopButton({ session }: { readonly session: Session }) {
  const isAsking = useSignal(false);
  const streams = tunnelsOf(session.id).reduce((sum, tunnel) => sum + tunnel.streams, 0);
  const press = (): void => {
    if (streams > 0 && !isAsking.value) isAsking.value = true;
    else {
      isAsking.value = false;
      void stopSession(session.id);
    }
  };
  const words = streams === 1 ? 'It is answering a request now.' : `It is answering ${streams} requests now.`;
  if (isAsking.value && streams > 0) {
    return (
      <span class="stop-ask" role="status">
        {words}
        <button type="button" class="button is-bad" onClick={press}>Stop anyway</button>
        <button type="button" class="button" onClick={() => (isAsking.value = false)}>Keep</button>
      </span>
    );
  }
  return (
    <button type="button" class="button" aria-disabled={session.status === 'stopping'} onClick={press}>
      <Icon of={Square} size={15} /> {session.status === 'stopping' ? 'Stopping' : 'Stop'}
    </button>
  );
}

function Acts({ session }: { readonly session: Session }) {
  const provider = providerOfSession(session.id);
  return (
    <>
      {provider !== null && provider.models.length > 0 && !isOver(session) && (
        <a class="button is-main" href={`/?provider=${encodeURIComponent(provider.name)}`}><Icon of={MessageSquare} size={16} /> Chat</a>
      )}
      {isOver(session) ? (
        <>
          {!session.attached && (
            <button type="button" class="button is-main" onClick={() => void restartSession(session.id)}><Icon of={RotateCcw} size={16} /> Restart</button>
          )}
          <button type="button" class="button is-bad" onClick={() => removeSession(session)}><Icon of={Trash2} size={16} /> Remove</button>
        </>
      ) : (
        <StopButton session={session} />
      )}
    </>
  );
}

function facts(session: Session, at: number): readonly (readonly [string, string])[] {
  const ran = session.running_at === null ? null : span(secondsBetween(session.running_at, session.ended_at ?? at));
  const left = isOver(session) ? null : timeLeft(session.wall_time_ends_at, at);
  const rows: readonly (readonly [string, string | null | undefined])[] = [
    ['Runs on', session.host],
    ['GPU', gpuWords(providerOfSession(session.id)?.session?.gpus)],
    ['Cluster', session.attached ? 'opened by hand' : session.cluster?.name],
    ['Template', session.template],
    ['Job', session.job_id],
    [isOver(session) ? 'Ran for' : 'Running for', ran],
    ['Time left', left?.replace(/ left$/, '')],
  ];
  return rows.filter((row): row is readonly [string, string] => typeof row[1] === 'string' && row[1] !== '');
}

/** The timeline is only in the answer about one session: read it again whenever the session moves. */
function useTimeline(id: string, session: Session | undefined) {
  const events = useSignal<readonly TimelineEvent[]>([]);
  const trouble = useSignal<Trouble | null>(null);
  const isMissing = useSignal(false);
  const mark = session === undefined ? '' : `${session.status} ${session.status_reason} ${session.end_reason ?? ''}`;
  useEffect(() => {
    let isCurrent = true;
    api.get(id).then(
      (fresh) => {
        if (!isCurrent) return;
        events.value = fresh.timeline ?? [];
        isMissing.value = false;
        trouble.value = null;
      },
      (error: unknown) => {
        if (!isCurrent) return;
        isMissing.value = isNotFound(error);
        trouble.value = toTrouble(error);
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [id, mark, events, trouble, isMissing]);
  return { events, trouble, isMissing };
}

function Head({ session }: { readonly session: Session }) {
  const trouble = sessionTroubles.value.get(session.id) ?? null;
  const reason = isOver(session) ? (filled(session.end_message) ?? endWords(session.end_reason)) : filled(session.status_reason);
  return (
    <div class="session-head">
      <p class="session-state">
        <Status status={session.status} />
        {reason !== null && <span>{reason}</span>}
      </p>
      {trouble !== null && <TroubleNote trouble={trouble} />}
      <SessionNotice session={session} />
      <dl class="session-figures">
        {facts(session, now.value).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

export function SessionPage() {
  const id = decodeURIComponent(path.value.split('/')[2] ?? '');
  const session = world.value.sessions.get(id);
  const { events, trouble, isMissing } = useTimeline(id, session);
  if (session === undefined) {
    if (!world.value.isKnown || (!isMissing.value && trouble.value === null)) return <Page title="Session">{null}</Page>;
    return (
      <Page title="This session is not here">
        <div class="empty">
          <p>It was removed, or it belongs to somebody else.</p>
          <a class="button" href="/sessions">All sessions</a>
        </div>
      </Page>
    );
  }
  return (
    <Page title={session.name} acts={<Acts session={session} />}>
      <Head session={session} />
      <section class="section" aria-labelledby="timeline">
        <h2 id="timeline">Timeline</h2>
        {trouble.value === null ? <Timeline events={events.value} session={session} /> : <TroubleNote trouble={trouble.value} />}
      </section>
      <Tunnels session={session} />
      <LogView key={session.id} sessionId={session.id} isOver={isOver(session)} />
    </Page>
  );
}
