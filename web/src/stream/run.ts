import type { Message, Trouble, WaitingFor } from '../api/types';
import type { ApiError } from '../api/errors';
import type { SseEvent } from './sse';
import { EventSubscription, type SourceState } from './source';

/** What a run says, in order, each once. */
export type RunEvent =
  | { readonly kind: 'delta'; readonly text: string; readonly reasoning: string }
  | {
      readonly kind: 'status';
      readonly status: string;
      readonly reason: string | null;
      readonly error: Trouble | null;
      readonly waiting: WaitingFor | null;
    }
  | { readonly kind: 'end'; readonly message: Message };

function parse(data: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

const words = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Why nothing comes, in the hub's words; a full disk at the hub is told the same way. */
function reasonOf(data: Readonly<Record<string, unknown>>): string | null {
  const storage = data['storage'] as Trouble | undefined;
  const reason = words(data['reason']);
  return reason === '' ? (storage?.message ?? null) : reason;
}

/** One event of the stream as a RunEvent; null for kinds that this page does not know. */
export function readRunEvent(event: SseEvent): RunEvent | null {
  const data = parse(event.data);
  if (data === null) return null;
  switch (event.event) {
    case 'delta':
      return { kind: 'delta', text: words(data['text']), reasoning: words(data['reasoning']) };
    case 'status':
      return {
        kind: 'status',
        status: words(data['status']),
        reason: reasonOf(data),
        error: (data['error'] ?? null) as Trouble | null,
        waiting: (data['waiting'] ?? null) as WaitingFor | null,
      };
    case 'end':
      return { kind: 'end', message: data['message'] as Message };
    default:
      return null;
  }
}

/**
 * Lets each piece of text pass once: a resumed stream may repeat what was seen. Ids are positions in
 * the text, so only a delta moves them; `status` and `end` carry the position that they found.
 */
export class OnceFilter {
  #last = 0;

  isNew(event: SseEvent): boolean {
    const position = event.id === '' ? NaN : Number(event.id);
    if (event.event !== 'delta' || Number.isNaN(position)) return true;
    if (position <= this.#last) return false;
    this.#last = position;
    return true;
  }
}

/** The hub is asked to gather for this long: a page cannot show more, and each chunk wakes its browser. */
const EVERY_MS = 40;

export interface RunHandlers {
  readonly onEvent: (event: RunEvent) => void;
  readonly onState: (state: SourceState) => void;
  readonly onRefused: (error: ApiError) => void;
}

/** Watches a run from its beginning until its `end`. The run goes on at the hub whoever watches. */
export function watchRun(runId: string, handlers: RunHandlers): EventSubscription {
  const once = new OnceFilter();
  return new EventSubscription(`/api/runs/${encodeURIComponent(runId)}/events?every_ms=${EVERY_MS}`, {
    onState: handlers.onState,
    onRefused: handlers.onRefused,
    onEvent(raw) {
      if (!once.isNew(raw)) return true;
      const event = readRunEvent(raw);
      if (event === null) return true;
      handlers.onEvent(event);
      return event.kind !== 'end';
    },
  });
}
