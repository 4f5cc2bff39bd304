import { expect, it } from 'vitest';
import { momentsOf } from './timeline';

it('orders moments and says how long each lasted; the last one until now, or for good', () => {
  const events = [
    { at: '2026-01-01T00:04:00Z', kind: 'starting', text: 'allocated gpu-17' },
    { at: '2026-01-01T00:00:00Z', kind: 'queued', text: 'submitted' },
  ];
  const moments = momentsOf(events, Date.parse('2026-01-01T00:05:50Z'));
  expect(moments.map(({ text, lasted_s, isLast }) => [text, lasted_s, isLast])).toEqual([
    ['submitted', 240, false],
    ['allocated gpu-17', 110, true],
  ]);
  expect(momentsOf(events, null).at(-1)?.lasted_s).toBeNull();
});
