import './session-notice.css';
import type { Session } from '../api/types';
import { keepSession, renewSession } from '../state/acts';
import { now } from '../state/clock';
import { world } from '../state/store';
import { span } from '../words';

const SOON_S = 3600;

const secondsTo = (time: string): number => (new Date(time).getTime() - now.value) / 1000;

/** The session of that id while it has not ended. */
function alive(id: string | null): Session | null {
  const found = id === null ? undefined : world.value.sessions.get(id);
  return found === undefined || found.status === 'stopped' || found.status === 'failed' ? null : found;
}

/** What happens to a session soon, by itself, and the one act that changes it. */
export function SessionNotice({ session }: { readonly session: Session }) {
  const other = alive(session.renews ?? session.renewed_by);
  if (session.status !== 'running' && session.renews === null) return null;
  if (other !== null) {
    const words = session.renews === null ? 'A new job takes over from this session when its model answers: ' : 'When its model answers, this session takes over from ';
    return <p class="session-notice">{words}<a href={`/sessions/${encodeURIComponent(other.id)}`}>{other.name}</a></p>;
  }
  if (session.idle_stops_at !== null) {
    const left = secondsTo(session.idle_stops_at);
    const words = `Nobody uses this session. It stops ${left < 10 ? 'now' : `in ${span(left)}`}, unless somebody does.`;
    return <Notice words={words} button="Keep" act={() => void keepSession(session.id)} />;
  }
  const endsAt = session.wall_time_ends_at;
  if (endsAt === null || session.attached || secondsTo(endsAt) > SOON_S) return null;
  const words = `The time of its job ends in ${span(Math.max(0, secondsTo(endsAt)))}. A new job can take over before.`;
  return <Notice words={words} button="Renew" act={() => void renewSession(session.id)} />;
}

function Notice({ words, button, act }: { readonly words: string; readonly button: string; readonly act: () => void }) {
  return (
    <div class="session-notice" role="status">
      <p>{words}</p>
      <button type="button" class="button is-small" onClick={act}>{button}</button>
    </div>
  );
}
