import './timeline.css';
import type { Session, TimelineEvent } from '../api/types';
import { now } from '../state/clock';
import { momentsOf } from '../state/timeline';
import { clockTime, span, toneOf } from '../words';

interface TimelineProps {
  readonly events: readonly TimelineEvent[];
  readonly session: Session;
}

/** What happened to a session, in order; its last line is where it stands, or why it ended. */
export function Timeline({ events, session }: TimelineProps) {
  const until = session.status === 'stopped' || session.status === 'failed' ? null : now.value;
  const moments = momentsOf(events, until);
  if (moments.length === 0) return <p class="quiet">Nothing has happened yet.</p>;
  return (
    <ol class="timeline">
      {moments.map((moment, index) => (
        <li key={index} class={moment.isLast ? `moment is-last is-${toneOf(session.status)}` : 'moment'}>
          <time dateTime={moment.at}>{clockTime(moment.at)}</time>
          <span class="moment-text">{moment.text === '' ? moment.kind : moment.text}</span>
          {moment.lasted_s !== null && moment.lasted_s >= 1 && <span class="moment-span">{span(moment.lasted_s)}</span>}
        </li>
      ))}
    </ol>
  );
}
