import { describe, expect, it } from 'vitest';
import { covers, offsetOf, rangeAtEnd, rangeFor, rangeTowards, RowHeights, type Range, type View } from './visible';

const IDS = Array.from({ length: 2000 }, (_, index) => `m${index}`);

function measured(px: number): RowHeights {
  const heights = new RowHeights();
  for (const id of IDS) heights.set(id, px);
  return heights;
}

describe('the rows that are drawn', () => {
  it('are all of a short list, and a few of a long one', () => {
    expect(rangeFor(IDS.slice(0, 40), new RowHeights(), { top: 0, height: 800 })).toEqual({ from: 0, to: 40, before: 0, after: 0 });
    const range = rangeFor(IDS, measured(100), { top: 50_000, height: 800 });
    expect(range).toEqual({ from: 488, to: 520, before: 48_800, after: 148_000 });
  });

  it('stand with their spacers for the whole list, wherever one looks', () => {
    const heights = new RowHeights();
    IDS.forEach((id, index) => index % 3 === 0 && heights.set(id, 50 + (index % 700)));
    const whole = offsetOf(IDS, heights, IDS.length);
    for (const top of [-500, 0, 1, 7777, whole / 2, whole - 800, whole + 5000]) {
      const range = rangeFor(IDS, heights, { top, height: 800 });
      const drawn = offsetOf(IDS, heights, range.to) - range.before;
      expect(range.to).toBeGreaterThan(range.from);
      expect(range.before + drawn + range.after).toBeCloseTo(whole, 3);
      expect(range.before).toBeCloseTo(offsetOf(IDS, heights, range.from), 3);
    }
  });

  it('end with the last one where a chat opens', () => {
    const range = rangeAtEnd(IDS, measured(100), 800);
    expect(range.to).toBe(2000);
    expect(range.after).toBe(0);
    expect(range.from).toBeGreaterThan(1960);
  });

  it('are enough until the view comes near their ends', () => {
    const heights = measured(100);
    const range = rangeFor(IDS, heights, { top: 50_000, height: 800 });
    const drawn = (range.to - range.from) * 100;
    const at = (top: number): boolean => covers(range, IDS.length, drawn, { top, height: 800 });
    expect([at(50_000), at(50_150), at(49_850)]).toEqual([true, true, true]);
    expect([at(50_400), at(49_600)]).toEqual([false, false]);
    const end = rangeAtEnd(IDS, heights, 800);
    expect(covers(end, IDS.length, (end.to - end.from) * 100, { top: 199_200, height: 800 })).toBe(true);
  });
});

describe('the way to a new range', () => {
  const heights = measured(100);
  const view = (top: number): View => ({ top, height: 800 });
  const steps = (start: Range, to: View): Range[] => {
    const wanted = rangeFor(IDS, heights, to);
    const ranges = [start];
    for (let last = start; last.from > wanted.from || last.to < wanted.to || ranges.length === 1; ) {
      last = rangeTowards(IDS, heights, last, wanted, to);
      ranges.push(last);
      expect(ranges.length).toBeLessThan(40);
    }
    expect(ranges.at(-1)).toEqual(wanted);
    return ranges.slice(1);
  };

  it('draws what is in view at once and the rest by a few rows', () => {
    const far = steps(rangeFor(IDS, heights, view(0)), view(50_000));
    expect(far[0]).toMatchObject({ from: 500, to: 508 });
    let before = far[0];
    for (const range of far.slice(1)) {
      expect((before?.from ?? 0) - range.from + range.to - (before?.to ?? 0)).toBeLessThanOrEqual(2);
      before = range;
    }
  });

  it('keeps what is drawn already where the two overlap', () => {
    const near = rangeFor(IDS, heights, view(50_000));
    const up = steps(near, view(49_600));
    expect(up[0]).toMatchObject({ from: near.from - 2 });
    expect(up).toHaveLength(2);
    expect(steps(near, view(50_400))[0]).toMatchObject({ to: near.to + 2 });
  });
});

describe('RowHeights', () => {
  it('takes an unknown row for the mean of the known', () => {
    const heights = new RowHeights();
    heights.set('a', 100);
    heights.set('b', 300);
    expect(heights.of('c')).toBe(200);
    heights.set('b', 100);
    expect(heights.of('c')).toBe(100);
  });
});
