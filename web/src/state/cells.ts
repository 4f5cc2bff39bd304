import { signal, type Signal } from '@preact/signals';
import type { Message, MessageStatus, Trouble } from '../api/types';
import type { SourceState } from '../stream/source';

/**
 * One message on the page. What never changes is plain; what changes while an answer streams is a
 * signal of its own, so that a token repaints its message and nothing else.
 */
export interface Cell {
  readonly id: string;
  readonly parent_id: string | null;
  readonly role: string;
  readonly created_at: string;
  readonly message: Signal<Message>;
  readonly text: Signal<string>;
  readonly reasoning: Signal<string>;
  /** How the watching of its run stands. */
  readonly link: Signal<SourceState>;
  readonly isStopping: Signal<boolean>;
  /** Why nothing comes yet, in the hub's words. */
  readonly reason: Signal<string | null>;
}

export function makeCell(message: Message): Cell {
  return {
    id: message.id,
    parent_id: message.parent_id,
    role: message.role,
    created_at: message.created_at,
    message: signal(message),
    text: signal(message.content),
    reasoning: signal(message.reasoning ?? ''),
    link: signal<SourceState>('closed'),
    isStopping: signal(false),
    reason: signal<string | null>(null),
  };
}

export function isLive(status: MessageStatus): boolean {
  return status === 'streaming' || status === 'waiting';
}

const DRAFT = 'draft-';
let draftCount = 0;
export const draftId = (): string => `${DRAFT}${(draftCount += 1)}`;

/** Whether the hub has not heard of the message of this id yet. */
export const isDraft = ({ id }: { readonly id: string }): boolean => id.startsWith(DRAFT);

/** A message that only this page knows so far. */
export function draftMessage(fields: Pick<Message, 'id' | 'parent_id' | 'role' | 'content' | 'status' | 'model' | 'attachments'>): Message {
  return {
    ...fields,
    continued_chars: 0,
    tool_calls: null,
    waiting: null,
    reasoning: null,
    run_id: null,
    provider: null,
    error: null,
    usage: null,
    timings: null,
    finish_reason: null,
    created_at: new Date().toISOString(),
  };
}

export function fail(cell: Cell, error: Trouble): void {
  cell.message.value = { ...cell.message.peek(), status: 'failed', error };
}

/** Takes the hub's word for a message. A text that streams here is never made shorter by it. */
export function takeMessage(cell: Cell, message: Message): void {
  const isShorter = isLive(message.status) && message.content.length < cell.text.peek().length;
  cell.message.value = message;
  if (isShorter) return;
  cell.text.value = message.content;
  cell.reasoning.value = message.reasoning ?? '';
}
