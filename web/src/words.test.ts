import { describe, expect, it } from 'vitest';
import { ago, bytes, contextLength, dayGroup, span, timeLeft } from './words';

const NOW = new Date('2026-11-20T12:00:00').getTime();
const before = (ms: number): string => new Date(NOW - ms).toISOString();
const plain = (text: string | null): string | null => text?.replaceAll('\u00a0', ' ') ?? null;

describe('times in words', () => {
  it.each([
    [0, '0 s'],
    [59.4, '59 s'],
    [110, '1 min 50 s'],
    [240, '4 min'],
    [725, '12 min'],
    [11_520, '3 h 12 min'],
    [7200, '2 h'],
    [260_000, '3 days'],
  ])('%d s is %s', (seconds, words) => expect(plain(span(seconds))).toBe(words));

  it('says what time is left', () => {
    expect(plain(timeLeft(new Date(NOW + 11_520_000).toISOString(), NOW))).toBe('3 h 12 min left');
    expect(timeLeft(before(1000), NOW)).toBe('time is up');
    expect(timeLeft(null, NOW)).toBeNull();
  });

  it('groups by day, and says how long ago', () => {
    expect(dayGroup(before(3_600_000), NOW)).toBe('Today');
    expect(dayGroup(before(20 * 3_600_000), NOW)).toBe('Yesterday');
    expect(dayGroup(before(3 * 86_400_000), NOW)).toBe('Last 7 days');
    expect(dayGroup(before(20 * 86_400_000), NOW)).toBe('Last 30 days');
    expect(dayGroup(before(100 * 86_400_000), NOW)).toMatch(/2026/);
    expect([ago(before(1000), NOW), ago(before(300_000), NOW), ago(before(7_200_000), NOW)]).toEqual(['just now', '5 min ago', '2 h ago']);
  });
});

it('counts bytes and tokens as people do', () => {
  expect([bytes(0), bytes(999), bytes(1240), bytes(1_240_000), bytes(312e6)]).toEqual(['0 B', '999 B', '1.2 KB', '1.2 MB', '312 MB']);
  expect([contextLength(32768), contextLength(512), contextLength(null)]).toEqual(['32k', '512', null]);
});
