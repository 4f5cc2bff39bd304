import { lexBlocks } from './html';
import { tame } from './limits';

export interface Block {
  readonly raw: string;
  /** No later text can change this block. */
  readonly isFinal: boolean;
}

/** A line that may still become the next item of a numbered list above it. */
const MAYBE_ITEM = /^\d{1,9}$/;

/**
 * Growing Markdown as a list of top-level blocks. A block is final once a blank line ends it and
 * something at the left margin follows; only what comes after the last final block is read again.
 */
export class BlockList {
  #final: Block[] = [];
  #doneTo = 0;

  /** `source` must begin with what was given before; if it does not, all is read anew. */
  update(source: string, isDone: boolean): readonly Block[] {
    if (source.length < this.#doneTo) this.reset();
    const tail = split(source.slice(this.#doneTo));
    const finals = isDone ? tail.length : countFinal(tail);
    for (const raw of tail.slice(0, finals)) {
      this.#final.push({ raw, isFinal: true });
      this.#doneTo += raw.length;
    }
    return [...this.#final, ...tail.slice(finals).map((raw) => ({ raw, isFinal: false }))];
  }

  reset(): void {
    this.#final = [];
    this.#doneTo = 0;
  }
}

/** Top-level blocks, each with the blank lines that follow it. */
function split(source: string): string[] {
  const blocks: string[] = [];
  for (const { type, raw } of lexBlocks(tame(source))) {
    const before = type === 'space' ? blocks.pop() : undefined;
    blocks.push((before ?? '') + raw);
  }
  return blocks;
}

/** How many blocks at the start are out of reach of what may still come. */
function countFinal(blocks: readonly string[]): number {
  for (let count = blocks.length - 1; count > 0; count -= 1) {
    const next = blocks[count] ?? '';
    const isEnded = /\n[ \t]*\n$/.test(blocks[count - 1] ?? '');
    if (isEnded && /^\S/.test(next) && !MAYBE_ITEM.test(next)) return count;
  }
  return 0;
}
