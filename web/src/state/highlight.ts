/** A piece of a text, marked where a search found its words. */
export interface Piece {
  readonly text: string;
  readonly isHit: boolean;
}

/**
 * Cuts a text at the ranges that the hub found. Ranges count code points, so an emoji is one; ranges
 * that overlap, lie outside or are out of order do no harm.
 */
export function piecesOf(text: string, spans: readonly (readonly [number, number])[]): readonly Piece[] {
  const points = Array.from(text);
  const pieces: Piece[] = [];
  let at = 0;
  const take = (to: number, isHit: boolean): void => {
    if (to > at) pieces.push({ text: points.slice(at, to).join(''), isHit });
    at = Math.max(at, to);
  };
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    take(Math.min(start, points.length), false);
    take(Math.min(end, points.length), true);
  }
  take(points.length, false);
  return pieces;
}

/** Where the words of a query stand in a title, in code points; empty when one of them is missing. */
export function spansIn(text: string, query: string): readonly (readonly [number, number])[] {
  // Letter by letter: a few letters are longer when they are small, and the ranges are of the text itself.
  const points = Array.from(text, (point) => point.toLowerCase());
  const spans: (readonly [number, number])[] = [];
  for (const word of wordsOf(query)) {
    const wanted = Array.from(word);
    const found = findPoints(points, wanted);
    if (found === -1) return [];
    spans.push([found, found + wanted.length]);
  }
  return spans;
}

export function wordsOf(query: string): readonly string[] {
  return query.toLowerCase().split(/\s+/).filter((word) => word !== '');
}

function findPoints(all: readonly string[], word: readonly string[]): number {
  return all.findIndex((_, start) => word.every((point, offset) => all[start + offset] === point));
}
