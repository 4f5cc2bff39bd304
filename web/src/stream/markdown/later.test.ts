import { expect, it, vi } from 'vitest';
import { later } from './later';

it('gives each its turn, in order, and none within the call that asked', async () => {
  const done: number[] = [];
  const all = [1, 2, 3].map((number) => later().then(() => done.push(number)));
  expect(done).toEqual([]);
  await Promise.all(all);
  expect(done).toEqual([1, 2, 3]);
});

it('begins no further piece when a frame has no time left', async () => {
  const rounds: IdleRequestCallback[] = [];
  vi.stubGlobal('requestIdleCallback', (call: IdleRequestCallback) => rounds.push(call));
  const done: string[] = [];
  void later().then(() => done.push('a'));
  void later().then(() => done.push('b'));
  rounds[0]?.({ didTimeout: false, timeRemaining: () => 1 });
  await Promise.resolve();
  expect(done).toEqual(['a']);
  expect(rounds).toHaveLength(2);
  vi.unstubAllGlobals();
});
