import { signal } from '@preact/signals';

/** Chats that were deleted in another page while they were known here. */
export const gone = signal<ReadonlySet<string>>(new Set());
const mine = new Set<string>();

/** The next word of the feed about this chat is of our own doing. */
export function expectGone(id: string): void {
  mine.add(id);
}

export function noteGone(id: string): void {
  if (!mine.delete(id)) gone.value = new Set([...gone.peek(), id]);
}

export function isBack(id: string): void {
  gone.value = new Set([...gone.peek()].filter((other) => other !== id));
}
