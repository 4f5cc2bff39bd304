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

  /** Lets go: somebody goes to another place. */
  release(): void {
    this.#set(false);
  }

  #set(isPinned: boolean): void {
    if (this.isPinned === isPinned) return;
    this.isPinned = isPinned;
    this.#onChange(isPinned);
  }
}
