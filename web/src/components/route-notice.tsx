import type { Trouble } from '../api/types';
import { revivalOf, sessionTroubles, type Revival } from '../state/acts';
import { route, type Route } from '../state/choice';
import { connection, world } from '../state/store';
import { filled, type AnyStatus } from '../words';
import { routeStatus } from './route-line';
import { Said } from './said';
import { Status } from './status';

interface Notice {
  readonly status: AnyStatus;
  readonly words: string;
  /** What can be done about it from here. */
  readonly revival: Revival | null;
}

const sentence = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);

/** What stands in the way of an answer now, in one sentence; null when nothing does. */
export function routeNotice(line: Route | null, isHubLost: boolean, trouble: Trouble | null): Notice | null {
  if (isHubLost) {
    return { status: 'reconnecting', words: 'No contact with the hub; trying again. What you see may be old.', revival: null };
  }
  if (line === null) return null;
  const status = routeStatus(line);
  const { provider } = line;
  const name = provider?.name ?? 'This provider';
  const revival = provider === null ? null : revivalOf(provider);
  if (trouble !== null) return { status: 'failed', words: [trouble.message, trouble.hint].filter(Boolean).join(' '), revival };
  if (provider === null) return { status: 'stopped', words: 'This model is not in your list any more. Choose another one above.', revival: null };
  const reason = filled(provider.status_reason);
  switch (status) {
    case 'running':
      return null;
    case 'stopped':
      return { status, words: sentence(reason ?? `${name} has no running session`), revival };
    case 'reconnecting':
      return {
        status,
        words: `The tunnel from ${provider.session?.host ?? name} dropped. Your answer goes on when it is back.`,
        revival: null,
      };
    case 'unreachable':
      return { status, words: sentence(reason ?? `The model server of ${name} does not answer`), revival };
    default:
      return { status, words: sentence(reason ?? `${name} is getting ready`), revival: null };
  }
}

interface RouteNoticeProps {
  /** The provider that a message in view waits for: that message says all about it. */
  readonly waitsFor: string | null;
}

/** Trouble of the route, said above the place where one writes, with its one action. */
export function RouteNotice({ waitsFor }: RouteNoticeProps) {
  const line = route.value;
  const sessionId = line?.provider?.session?.id;
  const trouble = sessionId === undefined ? null : (sessionTroubles.value.get(sessionId) ?? null);
  const isHubLost = connection.value === 'retrying' && world.value.isKnown;
  const notice = routeNotice(line, isHubLost, trouble);
  if (notice === null || (!isHubLost && waitsFor !== null && line?.provider?.id === waitsFor)) return null;
  const { revival } = notice;
  return (
    <div class="route-notice" role="status">
      <Status status={notice.status} />
      <span class="route-notice-words"><Said text={notice.words} /></span>
      {revival !== null && (
        <button type="button" class="button is-small" onClick={() => void revival.act()}>
          {revival.words}
        </button>
      )}
    </div>
  );
}
