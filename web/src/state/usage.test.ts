import { expect, test } from 'vitest';
import type { Usage } from '../api/types';
import { dayBars, firstDay, mostFirst, scaleTop, short } from './usage';

const NOW = Date.parse('2026-11-26T23:30:00Z');
const used = (more: Partial<Usage>): Usage => ({
  day: null, user_id: null, provider_id: null, key_id: null, model: null, session_id: null,
  requests: 1, failures: 0, cancelled: 0, bytes_in: 0, bytes_out: 0, tokens_in: 0, tokens_out: 0, first_byte_s: null, tokens_per_s: null, ...more,
});

test('every day has its bar, in the order of time, whether it was used or not', () => {
  const bars = dayBars([used({ day: '2026-11-26', requests: 3 }), used({ day: '2026-11-24', requests: 5 })], 3, NOW, 'requests');
  expect(bars).toEqual([{ day: '2026-11-24', value: 5 }, { day: '2026-11-25', value: 0 }, { day: '2026-11-26', value: 3 }]);
  expect(firstDay(3, NOW)).toBe('2026-11-24');
});

test('tokens are those read and those written', () => {
  expect(dayBars([used({ day: '2026-11-26', tokens_in: 7, tokens_out: 5 })], 1, NOW, 'tokens')).toEqual([{ day: '2026-11-26', value: 12 }]);
});

test('a scale ends at a number that people read', () => {
  expect([0, 1, 3, 7, 10, 11, 51, 200, 201].map(scaleTop)).toEqual([1, 1, 5, 10, 10, 20, 100, 200, 500]);
});

test('large counts are short', () => {
  expect([0, 999, 9_999, 12_345, 1_234_567, 12_300_000_000].map(short)).toEqual(['0', '999', '9,999', '12.3k', '1.23M', '12.3G']);
});

test('what used most stands first', () => {
  const rows = mostFirst([used({ model: 'a', tokens_out: 1 }), used({ model: 'b', tokens_in: 5 }), used({ model: 'c', requests: 9 })]);
  expect(rows.map(({ model }) => model)).toEqual(['b', 'a', 'c']);
});
