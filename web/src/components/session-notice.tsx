import './session-notice.css';
import type { Session } from '../api/types';
import { keepSession } from '../state/acts';
import { now } from '../state/clock';
import { span } from '../words';

/** What happens to a session soon, by itself, and the one act that changes it. */
export function SessionNotice({ session }: { readonly session: Session }) {
  const stopsAt = session.idle_stops_at;
  if (stopsAt === null || session.status !== 'running') return null;
  const left = (new Date(stopsAt).getTime() - now.value) / 1000;
  return (
    <div class="session-notice" role="status">
      <p>Nobody uses this session. It stops {left < 10 ? 'now' : `in ${span(left)}`}, unless somebody does.</p>
      <button type="button" class="button is-small" onClick={() => void keepSession(session.id)}>Keep</button>
    </div>
  );
}
