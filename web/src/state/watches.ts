import { batch } from '@preact/signals';
import type { Message } from '../api/types';
import { watchRun, type RunEvent } from '../stream/run';
import type { EventSubscription } from '../stream/source';
import { isLive, takeMessage, type Cell } from './cells';

/** The runs that a conversation watches, by the message that each of them writes. */
export class Watches {
  readonly #open = new Map<string, EventSubscription>();
  /** Runs that the hub does not know: asking again and again would not bring them back. */
  readonly #refused = new Set<string>();
  readonly #onLost: () => void;

  /** `onLost` is called when the hub does not know a run any more: its message is to be read again. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
  }

  get count(): number {
    return this.#open.size;
  }

  has(cell: Cell): boolean {
    return this.#open.has(cell.id);
  }

  /** Watches the run that writes this message, if one does and nobody watches it yet. */
  begin(cell: Cell): void {
    const { run_id: runId, status } = cell.message.peek();
    if (runId === null || !isLive(status) || this.#open.has(cell.id) || this.#refused.has(runId)) return;
    const onEvent = follow(cell, (message) => this.#finish(cell, message));
    const watch = watchRun(runId, {
      onEvent,
      onState: (state) => (cell.link.value = state),
      onRefused: () => {
        this.#open.delete(cell.id);
        this.#refused.add(runId);
        this.#onLost();
      },
    });
    this.#open.set(cell.id, watch);
  }

  end(cell: Cell): void {
    this.#open.get(cell.id)?.close();
    this.#open.delete(cell.id);
  }

  close(): void {
    for (const watch of this.#open.values()) watch.close();
    this.#open.clear();
  }

  #finish(cell: Cell, message: Message): void {
    this.#open.delete(cell.id);
    batch(() => {
      takeMessage(cell, message);
      cell.isStopping.value = false;
      cell.reason.value = null;
    });
  }
}

/** The first `count` code points of a text: what the hub counts by. */
export function firstPoints(text: string, count: number): string {
  if (count === 0) return '';
  let at = 0;
  for (let left = count; left > 0 && at < text.length; left -= 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return text.slice(0, at);
}

/**
 * A run is replayed from its first event, so text is gathered beside what is shown and takes its
 * place once it is as long: nothing blinks when a chat is opened in mid-answer. A continued answer
 * begins with what stood before.
 */
function follow(cell: Cell, onEnd: (message: Message) => void): (event: RunEvent) => void {
  const before = cell.message.peek().continued_chars;
  let text = firstPoints(cell.text.peek(), before);
  let reasoning = before > 0 ? cell.reasoning.peek() : '';
  return (event) => {
    if (event.kind === 'end') onEnd(event.message);
    else if (event.kind === 'status') say(cell, event);
    else {
      text += event.text;
      reasoning += event.reasoning;
      batch(() => {
        if (text.length > cell.text.peek().length) cell.text.value = text;
        if (reasoning.length > cell.reasoning.peek().length) cell.reasoning.value = reasoning;
        const now = cell.message.peek();
        if (now.status === 'waiting') cell.message.value = { ...now, status: 'streaming', waiting: null };
        if (cell.reason.peek() !== null) cell.reason.value = null;
      });
    }
  };
}

function say(cell: Cell, event: Extract<RunEvent, { kind: 'status' }>): void {
  const now = cell.message.peek();
  const status = isKnownLive(event.status) ? event.status : now.status;
  batch(() => {
    cell.message.value = { ...now, status, error: event.error ?? now.error, waiting: event.waiting };
    cell.reason.value = event.reason;
  });
}

function isKnownLive(status: string): status is 'streaming' | 'waiting' {
  return status === 'streaming' || status === 'waiting';
}
