import { batch, computed, signal, type ReadonlySignal } from '@preact/signals';
import type { Message } from '../api/types';
import { isDraft, isLive, makeCell, takeMessage, type Cell } from './cells';
import { hidden } from './store';
import { Tree } from './tree';

/**
 * The drafts that reached the hub after all: among its `fresh` messages is one that says the same in the same
 * place, so only the answer that said so was lost. What hangs on such a draft goes with it.
 */
function arrivedOf(drafts: readonly Cell[], fresh: readonly Cell[]): readonly Cell[] {
  const arrived: Cell[] = [];
  for (const draft of drafts) {
    const isIt = (one: Cell): boolean =>
      one.parent_id === draft.parent_id && one.role === draft.role && (one.role === 'assistant' || one.text.peek() === draft.text.peek());
    if (arrived.some(({ id }) => id === draft.parent_id) || fresh.some(isIt)) arrived.push(draft);
  }
  return arrived;
}

/** The messages of one chat and the branch of them that is in view. */
export class Messages {
  readonly path: ReadonlySignal<readonly Cell[]>;
  /** The answer that is being written in the branch in view, if there is one. */
  readonly live: ReadonlySignal<Cell | null>;
  readonly #cells = signal<readonly Cell[]>([]);
  readonly #leaf = signal<string | null>(null);
  readonly #whole: ReadonlySignal<Tree<Cell>>;
  /** Without what was deleted and can still be had back. */
  readonly #shown: ReadonlySignal<Tree<Cell>>;

  constructor() {
    this.#whole = computed(() => new Tree(this.#cells.value));
    this.#shown = computed(() => {
      const without = new Set<string>();
      for (const id of hidden.value) {
        if (this.#whole.value.get(id) !== undefined) for (const below of this.#whole.value.subtree(id)) without.add(below);
      }
      return without.size === 0 ? this.#whole.value : new Tree(this.#cells.value.filter(({ id }) => !without.has(id)));
    });
    this.path = computed(() => this.#shown.value.path(this.#leafInView()));
    this.live = computed(() => this.path.value.findLast((cell) => isLive(cell.message.value.status)) ?? null);
  }

  get leafId(): string | null {
    return this.#leaf.peek();
  }

  all(): readonly Cell[] {
    return this.#cells.peek();
  }

  get(id: string | null): Cell | undefined {
    return this.#whole.peek().get(id);
  }

  /** The versions of a message, itself among them. */
  siblings(cell: Cell): readonly Cell[] {
    return this.#shown.value.siblings(cell);
  }

  /** Shows the branch of a message down to its newest leaf. Answers that leaf. */
  show(id: string): string | null {
    if (this.get(id) === undefined) return null;
    this.#leaf.value = this.#shown.peek().leafBelow(id);
    return this.#leaf.peek();
  }

  /**
   * The hub's list: known cells stay who they are, so that what is on the page is not drawn anew, and so does what
   * never reached the hub. Answers the drafts that did, which are gone.
   */
  take(list: readonly Message[], isWatched: (cell: Cell) => boolean): readonly Cell[] {
    const known = this.#whole.peek();
    let arrived: readonly Cell[] = [];
    batch(() => {
      const told = list.map((message) => {
        const cell = known.get(message.id);
        if (cell === undefined) return makeCell(message);
        if (!isWatched(cell)) takeMessage(cell, message);
        return cell;
      });
      const drafts = this.#cells.peek().filter(isDraft);
      arrived = arrivedOf(drafts, told.filter(({ id }) => known.get(id) === undefined));
      this.#cells.value = [...told, ...drafts.filter((draft) => !arrived.includes(draft))];
      const leaf = this.#leaf.peek();
      // What came below the end of the branch in view goes on with it.
      this.#leaf.value = this.get(leaf) === undefined ? null : this.#whole.peek().leafBelow(leaf);
    });
    return arrived;
  }

  /** Adds a cell that the hub tells of. Answers the drafts that it turned out to be, which are gone. */
  arrive(cell: Cell): readonly Cell[] {
    const arrived = arrivedOf(this.#cells.peek().filter(isDraft), [cell]);
    batch(() => {
      this.add([cell], arrived.map(({ id }) => id));
      if (arrived.some(({ id }) => id === this.#leaf.peek())) this.#leaf.value = this.#whole.peek().leafBelow(cell.id);
    });
    return arrived;
  }

  /** Adds cells, or puts them in the place of those named in `instead`. */
  add(cells: readonly Cell[], instead: readonly string[] = []): void {
    const ids = new Set([...instead, ...cells.map(({ id }) => id)]);
    this.#cells.value = [...this.#cells.peek().filter(({ id }) => !ids.has(id)), ...cells];
  }

  setLeaf(id: string): void {
    this.#leaf.value = id;
  }

  /** Takes messages with all below them off the page; the view goes to where their branch began. */
  drop(ids: readonly string[]): void {
    const end = ids.some((id) => this.#whole.peek().subtree(id).has(this.#leaf.peek() ?? ''));
    const parent = this.get(ids[0] ?? '')?.parent_id ?? null;
    const gone = new Set(ids.flatMap((id) => [...this.#whole.peek().subtree(id)]));
    batch(() => {
      this.#cells.value = this.#cells.peek().filter(({ id }) => !gone.has(id));
      if (end) this.#leaf.value = this.#whole.peek().leafBelow(parent);
    });
  }

  /** The leaf, or the end of what is left of its branch when that was deleted. */
  #leafInView(): string | null {
    const leaf = this.#leaf.value;
    const shown = this.#shown.value;
    if (leaf === null || shown.get(leaf) !== undefined) return leaf;
    const stem = this.#whole.value.path(leaf).findLast((cell) => shown.get(cell.id) !== undefined);
    return this.#whole.value.get(leaf) === undefined ? null : shown.leafBelow(stem?.id ?? null);
  }
}
