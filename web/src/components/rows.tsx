import { Component, createRef, type ComponentChildren, type RefObject } from 'preact';
import type { Cell } from '../state/cells';
import { covers, offsetOf, rangeAtEnd, rangeFor, rangeTowards, RowHeights, WHOLE, type Range, type View } from '../state/visible';

interface RowsProps {
  /** What scrolls. */
  readonly box: RefObject<HTMLDivElement | null>;
  readonly items: readonly Cell[];
  /** Whether the end is kept in view, so that a new range is one at the end. */
  readonly isAtEnd: () => boolean;
  readonly draw: (item: Cell) => ComponentChildren;
}

/** A browser without this moves what is read when something above it changes its height. */
const HAS_ANCHORS = typeof CSS !== 'undefined' && CSS.supports('overflow-anchor', 'auto');
const FIRST_VIEW: View = { top: 0, height: 900 };

/** The messages in view and some around them; two spacers stand for the others. Prints all of them. */
export class Rows extends Component<RowsProps> {
  readonly #heights = new RowHeights();
  readonly #before = createRef<HTMLDivElement>();
  readonly #after = createRef<HTMLDivElement>();
  readonly #rows = new Map<string, HTMLElement>();
  readonly #keepers = new Map<string, (row: HTMLElement | null) => void>();
  #ids: readonly string[] = [];
  #range: Range | null = null;
  #isWhole = false;
  /** The message to be brought into view after the next drawing. */
  #revealing: string | null = null;
  #observer: ResizeObserver | null = null;
  /** The frame in which the next rows of a range are drawn that was too much for one. */
  #nextFrame = 0;

  override componentDidMount(): void {
    this.#observer = new ResizeObserver((entries) => this.#measure(entries.map(({ target }) => target as HTMLElement)));
    for (const row of this.#rows.values()) this.#observer.observe(row);
    this.props.box.current?.addEventListener('scroll', this.#onScroll, { passive: true });
    window.addEventListener('beforeprint', this.#drawAll);
    window.addEventListener('afterprint', this.#drawSome);
    this.#settle();
    this.#toEnd();
  }

  override componentDidUpdate(): void {
    this.#settle();
    const row = this.#revealing === null ? undefined : this.#rows.get(this.#revealing);
    if (row === undefined) return;
    this.#revealing = null;
    row.scrollIntoView({ block: 'start' });
    row.classList.add('is-found');
    row.querySelector<HTMLElement>('article')?.focus({ preventScroll: true });
  }

  override componentWillUnmount(): void {
    cancelAnimationFrame(this.#nextFrame);
    this.#observer?.disconnect();
    this.props.box.current?.removeEventListener('scroll', this.#onScroll);
    window.removeEventListener('beforeprint', this.#drawAll);
    window.removeEventListener('afterprint', this.#drawSome);
  }

  /** Brings a message into view and puts the focus on it. Nothing happens for one that is not in the list. */
  reveal(id: string): void {
    const index = this.#ids.indexOf(id);
    if (index === -1) return;
    this.#revealing = id;
    const top = offsetOf(this.#ids, this.#heights, index);
    this.#range = rangeFor(this.#ids, this.#heights, { ...this.#view(), top });
    this.forceUpdate();
  }

  /** Browsers tell of scrolling before they draw a frame, when the sizes are known: reading them here costs nothing. */
  readonly #onScroll = (): void => {
    const range = this.#range;
    if (this.#isWhole || (range !== null && covers(range, this.#ids.length, this.#drawnPx(range), this.#view()))) return;
    this.#drawSoon();
  };

  readonly #drawAll = (): void => {
    this.#isWhole = true;
    this.forceUpdate();
  };

  readonly #drawSome = (): void => {
    this.#isWhole = false;
    this.forceUpdate();
  };

  #view(): View {
    const box = this.props.box.current;
    return box === null ? FIRST_VIEW : { top: box.scrollTop, height: box.clientHeight };
  }

  #drawnPx(range: Range): number {
    let px = 0;
    for (const id of this.#ids.slice(range.from, range.to)) px += this.#heights.of(id);
    return px;
  }

  /** The range for the present list: at its end while that is kept in view, else around what is read. */
  #choose(): Range {
    const count = this.#ids.length;
    if (this.#isWhole) return { from: 0, to: count, before: 0, after: 0 };
    const view = this.#view();
    if (this.#revealing !== null && this.#range !== null) return this.#range;
    if (this.props.isAtEnd()) return rangeAtEnd(this.#ids, this.#heights, view.height || FIRST_VIEW.height);
    const wanted = rangeFor(this.#ids, this.#heights, view);
    if (this.#range === null || count <= WHOLE) return wanted;
    const range = rangeTowards(this.#ids, this.#heights, this.#range, wanted, view);
    if (range.from > wanted.from || range.to < wanted.to) this.#drawSoon();
    return range;
  }

  /** Once a frame, whoever asks: scrolling, or a range that is drawn in parts. */
  #drawSoon(): void {
    if (this.#nextFrame !== 0) return;
    this.#nextFrame = requestAnimationFrame(() => {
      this.#nextFrame = 0;
      this.forceUpdate();
    });
  }

  /** One function for each row, so that drawing anew does not begin measuring anew. */
  #keeperOf(id: string): (row: HTMLElement | null) => void {
    const keep = this.#keepers.get(id) ?? ((row: HTMLElement | null): void => this.#keep(id, row));
    this.#keepers.set(id, keep);
    return keep;
  }

  #keep(id: string, row: HTMLElement | null): void {
    const old = this.#rows.get(id);
    if (row === old) return;
    if (old !== undefined) this.#observer?.unobserve(old);
    if (row === null) this.#rows.delete(id);
    else {
      this.#rows.set(id, row);
      this.#observer?.observe(row);
    }
  }

  /** Takes up what the rows measure; where the browser does not, keeps what is read in its place. */
  #measure(rows: readonly HTMLElement[]): void {
    const box = this.props.box.current;
    let shift = 0;
    for (const row of rows) {
      const id = row.dataset['id'] ?? '';
      const height = row.offsetHeight;
      if (height === 0 || !row.isConnected) continue;
      if (box !== null && row.offsetTop + height <= box.scrollTop) shift += height - this.#heights.of(id);
      this.#heights.set(id, height);
    }
    if (!HAS_ANCHORS && box !== null && shift !== 0 && !this.props.isAtEnd()) box.scrollTop += shift;
  }

  /** Sizes are set on the nodes: styles in HTML are forbidden here. */
  #settle(): void {
    const { before, after } = this.#range ?? { before: 0, after: 0 };
    if (this.#before.current !== null) this.#before.current.style.height = `${before}px`;
    if (this.#after.current !== null) this.#after.current.style.height = `${after}px`;
  }

  #toEnd(): void {
    const box = this.props.box.current;
    if (box !== null && this.props.isAtEnd()) box.scrollTop = box.scrollHeight;
  }

  override render({ items, draw }: RowsProps) {
    this.#ids = items.map(({ id }) => id);
    this.#range = this.#choose();
    const { from, to } = this.#range;
    return (
      <>
        <div class="transcript-spacer" ref={this.#before} />
        {items.slice(from, to).map((item) => (
          <div key={item.id} class="row" data-id={item.id} ref={this.#keeperOf(item.id)}>
            {draw(item)}
          </div>
        ))}
        <div class="transcript-spacer" ref={this.#after} />
      </>
    );
  }
}
