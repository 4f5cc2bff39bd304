/**
 * Which rows of a long list are drawn: those in view and some around them. Rows have any height; one
 * that was never drawn counts as the mean of those that were. Pure: the page measures, this decides.
 */

/** A list shorter than this is drawn whole: then the browser's own search finds every word of it. */
export const WHOLE = 40;
/** How far beyond the view rows are drawn, in views; and how little of that may be left before more are. */
const AHEAD = 1.5;
const LEAST_AHEAD = 1.25;
const FIRST_GUESS_PX = 160;
/** Rows beyond the view that are drawn in one frame: a question and its answer. */
const ROWS_A_FRAME = 2;

export class RowHeights {
  readonly #known = new Map<string, number>();
  #sum = 0;

  of(id: string): number {
    return this.#known.get(id) ?? (this.#known.size === 0 ? FIRST_GUESS_PX : this.#sum / this.#known.size);
  }

  set(id: string, px: number): void {
    this.#sum += px - (this.#known.get(id) ?? 0);
    this.#known.set(id, px);
  }
}

/** Rows `from` up to but not with `to` are drawn; `before` and `after` are the pixels that stand for the others. */
export interface Range {
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly after: number;
}

export interface View {
  readonly top: number;
  readonly height: number;
}

/** The height of the rows above `index`. */
export function offsetOf(ids: readonly string[], heights: RowHeights, index: number): number {
  let offset = 0;
  for (const id of ids.slice(0, index)) offset += heights.of(id);
  return offset;
}

export function rangeFor(ids: readonly string[], heights: RowHeights, view: View, ahead = AHEAD): Range {
  if (ids.length <= WHOLE) return { from: 0, to: ids.length, before: 0, after: 0 };
  const low = view.top - ahead * view.height;
  const high = view.top + (1 + ahead) * view.height;
  let from = -1;
  let to = ids.length;
  let before = 0;
  let drawnTo = 0;
  let offset = 0;
  ids.forEach((id, index) => {
    const bottom = offset + heights.of(id);
    if (from === -1 && (bottom > low || index === ids.length - 1)) [from, before] = [index, offset];
    if (offset < high) [to, drawnTo] = [index + 1, bottom];
    offset = bottom;
  });
  to = Math.max(to, from + 1);
  return { from, to, before, after: Math.max(0, offset - drawnTo) };
}

/**
 * The next range on the way from what is drawn to what is wanted: all that is in view, and so few new
 * rows beyond it that scrolling never waits for them. It is the wanted one when nothing is left to do.
 */
export function rangeTowards(ids: readonly string[], heights: RowHeights, drawn: Range, wanted: Range, view: View): Range {
  const seen = rangeFor(ids, heights, view, 0);
  const isNear = drawn.from < seen.to && drawn.to > seen.from;
  let from = isNear ? Math.min(seen.from, Math.max(drawn.from, wanted.from)) : seen.from;
  let to = isNear ? Math.max(seen.to, Math.min(drawn.to, wanted.to)) : seen.to;
  const known = isNear ? Math.max(0, drawn.from - from) + Math.max(0, to - drawn.to) : to - from;
  for (let left = ROWS_A_FRAME - known; left > 0; left -= 1) {
    const isAboveNext = to >= wanted.to || (from > wanted.from && seen.from - from <= to - seen.to);
    if (isAboveNext && from > wanted.from) from -= 1;
    else if (to < wanted.to) to += 1;
  }
  const before = offsetOf(ids, heights, from);
  return { from, to, before, after: offsetOf(ids, heights, ids.length) - offsetOf(ids, heights, to) };
}

/** The rows at the end of the list: where a chat opens. */
export function rangeAtEnd(ids: readonly string[], heights: RowHeights, height: number): Range {
  return rangeFor(ids, heights, { top: offsetOf(ids, heights, ids.length) - height, height });
}

/** Whether what is drawn still reaches far enough around the view. */
export function covers(range: Range, count: number, drawnPx: number, view: View): boolean {
  const above = view.top - range.before;
  const below = range.before + drawnPx - (view.top + view.height);
  const least = LEAST_AHEAD * view.height;
  return (range.from === 0 || above >= least) && (range.to >= count || below >= least);
}
