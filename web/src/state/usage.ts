/** Sums of what was used, made ready to be shown. Days are those of UTC, as the hub counts them. */
import type { Usage } from '../api/types';

export type Measure = 'requests' | 'tokens' | 'failures';

export interface DayBar {
  /** `2026-11-23` */
  readonly day: string;
  readonly value: number;
}

const DAY_MS = 86_400_000;

/** The first of so many days that end today. */
export function firstDay(days: number, now: number): string {
  return new Date(now - (days - 1) * DAY_MS).toISOString().slice(0, 10);
}

export function measureOf(one: Usage, measure: Measure): number {
  return measure === 'tokens' ? one.tokens_in + one.tokens_out : one[measure];
}

/** One bar for each day, those without any use included. */
export function dayBars(sums: readonly Usage[], days: number, now: number, measure: Measure): readonly DayBar[] {
  const found = new Map(sums.map((one) => [one.day, measureOf(one, measure)]));
  return Array.from({ length: days }, (_, index) => {
    const day = new Date(now - (days - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return { day, value: found.get(day) ?? 0 };
  });
}

/** The least of 1, 2, 5, 10, 20, 50 … that is not below `value`: the top of a scale. */
export function scaleTop(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

/** 1,234 as it is, 12,345 as "12.3k", 1,234,567 as "1.23M". */
export function short(count: number): string {
  if (count < 10_000) return Math.round(count).toLocaleString('en');
  const [size, unit] = count < 1e6 ? [1e3, 'k'] : count < 1e9 ? [1e6, 'M'] : [1e9, 'G'];
  return `${Number((count / size).toPrecision(3))}${unit}`;
}

/** Most used first. */
export function mostFirst(sums: readonly Usage[]): readonly Usage[] {
  return [...sums].sort((a, b) => b.tokens_in + b.tokens_out - (a.tokens_in + a.tokens_out) || b.requests - a.requests);
}
