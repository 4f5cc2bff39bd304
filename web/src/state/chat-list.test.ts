import { expect, test } from 'vitest';
import type { ChatSummary } from '../api/types';
import { mergeLists } from './chat-list';
import { chat } from './samples';

const map = (...all: readonly ChatSummary[]): ReadonlyMap<string, ChatSummary> => new Map(all.map((one) => [one.id, one]));

test('what was read takes the place of what was known', () => {
  const old = chat({ id: 'a', title: 'old' });
  const merged = mergeLists(map(old, chat({ id: 'gone' })), map(old, chat({ id: 'gone' })), [chat({ id: 'a', title: 'new' })]);
  expect(merged.get('a')?.title).toBe('new');
});

test('a change that came while the lists were read is kept', () => {
  const before = map(chat({ id: 'a', title: 'old' }));
  const now = map(chat({ id: 'a', title: 'renamed' }), chat({ id: 'b' }));
  const merged = mergeLists(before, now, [chat({ id: 'a', title: 'old' })]);
  expect(merged.get('a')?.title).toBe('renamed');
  expect(merged.has('b')).toBe(true);
});

test('a delete that came while the lists were read is kept', () => {
  const merged = mergeLists(map(chat({ id: 'a' })), map(), [chat({ id: 'a' })]);
  expect(merged.size).toBe(0);
});
