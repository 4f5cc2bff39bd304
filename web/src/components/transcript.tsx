import './transcript.css';
import { useSignal } from '@preact/signals';
import { ArrowDown } from 'lucide';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Conversation } from '../state/conversation';
import { Announcer } from './announcer';
import { Icon } from './icon';
import { MessageView } from './message';

/** How many messages are drawn at first; earlier ones come when one scrolls towards them. */
const WINDOW = 60;
/** Within this distance of the end, the reader is at the end. */
const NEAR_PX = 32;

const distanceToEnd = (box: HTMLElement): number => box.scrollHeight - box.scrollTop - box.clientHeight;

/**
 * Keeps the end in view while text grows, and lets go for good as soon as the reader scrolls up.
 * Only going back to the end, or `pin`, takes hold again.
 */
export class EndKeeper {
  isPinned = true;
  #lastTop = 0;
  readonly #box: HTMLElement;
  readonly #onChange: (isPinned: boolean) => void;

  constructor(box: HTMLElement, onChange: (isPinned: boolean) => void) {
    this.#box = box;
    this.#onChange = onChange;
  }

  readonly onScroll = (): void => {
    const top = this.#box.scrollTop;
    if (top < this.#lastTop - 1 && distanceToEnd(this.#box) > NEAR_PX) this.#set(false);
    else if (top > this.#lastTop && distanceToEnd(this.#box) <= NEAR_PX) this.#set(true);
    this.#lastTop = top;
  };

  /** A wheel turned up by a little is a wish too, though the end is still near. */
  readonly onWheel = (event: WheelEvent): void => {
    if (event.deltaY < 0 && this.#box.scrollHeight > this.#box.clientHeight) this.#set(false);
  };

  grow(): void {
    if (this.isPinned) this.#box.scrollTop = this.#box.scrollHeight;
    this.#lastTop = this.#box.scrollTop;
  }

  pin(): void {
    this.#set(true);
    this.grow();
  }

  #set(isPinned: boolean): void {
    if (this.isPinned === isPinned) return;
    this.isPinned = isPinned;
    this.#onChange(isPinned);
  }
}

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

/** Draws more of a long chat when its upper end comes near, and keeps what is read in its place. */
function useWindow(box: RefObject<HTMLDivElement | null>, conversation: Conversation) {
  const count = useSignal(WINDOW);
  const sentinel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    count.value = WINDOW;
    if (sentinel.current === null) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        if (count.peek() < conversation.path.peek().length) count.value += WINDOW;
      },
      { root: box.current, rootMargin: '600px 0px 0px 0px' },
    );
    observer.observe(sentinel.current);
    return () => observer.disconnect();
  }, [box, conversation, count]);
  return { count, sentinel };
}

interface TranscriptProps {
  readonly conversation: Conversation;
  readonly keeper: { current: EndKeeper | null };
}

export function Transcript({ conversation, keeper }: TranscriptProps) {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isAway = useEndKeeper(box, content, keeper, conversation);
  const { count, sentinel } = useWindow(box, conversation);
  const path = conversation.path.value;
  return (
    <div class="transcript">
      <div class="transcript-scroll" ref={box} tabindex={0} role="region" aria-label="Messages">
        <div class="transcript-column" ref={content}>
          <div class="transcript-start" ref={sentinel} />
          {path.slice(-count.value).map((cell) => (
            <MessageView key={cell.id} cell={cell} conversation={conversation} />
          ))}
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
