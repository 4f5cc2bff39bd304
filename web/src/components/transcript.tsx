import './transcript.css';
import { useSignal } from '@preact/signals';
import { ArrowDown } from 'lucide';
import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Conversation } from '../state/conversation';
import { Announcer } from './announcer';
import { EndKeeper } from './end-keeper';
import { Icon } from './icon';
import { MessageView } from './message';
import { Rows } from './rows';

function useEndKeeper(
  box: RefObject<HTMLDivElement | null>,
  content: RefObject<HTMLDivElement | null>,
  keeper: { current: EndKeeper | null },
  conversation: Conversation,
) {
  const isAway = useSignal(false);
  useLayoutEffect(() => {
    if (box.current === null || content.current === null) return undefined;
    const element = box.current;
    const mine = new EndKeeper(element, (isPinned) => (isAway.value = !isPinned));
    keeper.current = mine;
    isAway.value = false;
    const observer = new ResizeObserver(() => mine.grow());
    observer.observe(content.current);
    observer.observe(element);
    element.addEventListener('scroll', mine.onScroll, { passive: true });
    element.addEventListener('wheel', mine.onWheel, { passive: true });
    mine.grow();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', mine.onScroll);
      element.removeEventListener('wheel', mine.onWheel);
    };
  }, [box, content, keeper, conversation, isAway]);
  return isAway;
}

/** Goes to the message that a search or a link has asked for, once it is there. */
function useWanted(conversation: Conversation, rows: { current: Rows | null }, keeper: { current: EndKeeper | null }): void {
  const wanted = conversation.wanted.value;
  useLayoutEffect(() => {
    if (wanted === null) return;
    keeper.current?.release();
    rows.current?.reveal(wanted);
    conversation.wanted.value = null;
  }, [wanted, conversation, rows, keeper]);
}

interface TranscriptProps {
  readonly conversation: Conversation;
  readonly keeper: { current: EndKeeper | null };
}

export function Transcript({ conversation, keeper }: TranscriptProps) {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const rows = useRef<Rows>(null);
  const isAway = useEndKeeper(box, content, keeper, conversation);
  useWanted(conversation, rows, keeper);
  return (
    <div class="transcript">
      <div class="transcript-scroll" ref={box} tabindex={0} role="region" aria-label="Messages">
        <div class="transcript-column" ref={content}>
          <Rows
            key={conversation.key}
            ref={rows}
            box={box}
            items={conversation.path.value}
            isAtEnd={() => keeper.current?.isPinned ?? true}
            draw={(cell) => <MessageView cell={cell} conversation={conversation} />}
          />
        </div>
      </div>
      {isAway.value && (
        <button type="button" class="button is-small jump" onClick={() => keeper.current?.pin()}>
          <Icon of={ArrowDown} size={16} /> Jump to latest
        </button>
      )}
      <Announcer conversation={conversation} />
    </div>
  );
}
