import { ChevronLeft, ChevronRight } from 'lucide';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Cell } from '../state/cells';
import type { Conversation } from '../state/conversation';
import { Icon } from './icon';

export interface MessageProps {
  readonly cell: Cell;
  readonly conversation: Conversation;
}

/** `‹ 2/3 ›`: the other versions of a question or an answer; the arrow keys turn them too. */
export function Versions({ cell, conversation }: MessageProps) {
  const group = useRef<HTMLSpanElement>(null);
  const all = conversation.siblings(cell);
  const at = all.indexOf(cell);
  // The version that was turned to is another message: the keyboard goes on where it was.
  useLayoutEffect(() => {
    if (conversation.turnedTo.peek() !== cell.id) return;
    conversation.turnedTo.value = null;
    group.current?.focus();
  }, [cell, conversation]);
  if (all.length < 2) return null;
  const step = (by: number): void => {
    const next = all[at + by];
    if (next !== undefined) conversation.showBranch(next);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    step(event.key === 'ArrowLeft' ? -1 : 1);
  };
  return (
    <span class="versions" ref={group} role="group" tabindex={0} aria-label={`Version ${at + 1} of ${all.length}`} title="Arrow keys turn the versions" onKeyDown={onKeyDown}>
      <button type="button" class="icon-button" aria-label="Version before" disabled={at === 0} onClick={() => step(-1)}>
        <Icon of={ChevronLeft} size={16} />
      </button>
      <span aria-hidden="true">{`${at + 1}/${all.length}`}</span>
      <button type="button" class="icon-button" aria-label="Version after" disabled={at === all.length - 1} onClick={() => step(1)}>
        <Icon of={ChevronRight} size={16} />
      </button>
    </span>
  );
}
