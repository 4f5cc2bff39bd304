import type { TimelineEvent } from '../api/types';
import { secondsBetween } from '../words';

/** One line of a timeline: what happened, when, and for how long it stayed so. */
export interface Moment {
  readonly at: string;
  readonly kind: string;
  readonly text: string;
  readonly lasted_s: number | null;
  readonly isLast: boolean;
}

/** Events in order of time, each with the time until the next; the last one lasts until `until`. */
export function momentsOf(events: readonly TimelineEvent[], until: number | null): readonly Moment[] {
  const sorted = [...events].sort((a, b) => a.at.localeCompare(b.at));
  return sorted.map((event, index) => {
    const next = sorted[index + 1];
    const end = next?.at ?? until;
    return { ...event, lasted_s: end === null ? null : Math.max(0, secondsBetween(event.at, end)), isLast: next === undefined };
  });
}
