import { Pin } from 'lucide';
import { expect, test } from 'vitest';
import { fit, rankEntries, type Entry, type EntryKind } from './palette';

const entry = (kind: EntryKind, title: string, more: Partial<Entry> = {}): Entry => ({ id: title, kind, title, icon: Pin, act: () => undefined, ...more });
const titles = (all: readonly Entry[], query: string): readonly string[] => rankEntries(all, query).flatMap(({ entries }) => entries.map(({ title }) => title));

test('the beginning of a title beats the beginning of a word, which beats the middle', () => {
  expect(titles([entry('Chats', 'reset'), entry('Chats', 'my set'), entry('Chats', 'settings')], 'set')).toEqual(['settings', 'my set', 'reset']);
});

test('letters may be scattered once there are three of them', () => {
  expect(fit('new temporary chat', 'ntc')).toBe(0);
  expect(fit('new chat', 'nt')).toBeNull();
  expect(fit('new chat', 'xyz')).toBeNull();
});

test('every word has to fit, in the title or beside it', () => {
  const models = [entry('Models', 'llama', { detail: 'box · gpu-17' }), entry('Models', 'llama', { detail: 'lab' })];
  expect(rankEntries(models, 'llama gpu-17')[0]?.entries).toHaveLength(1);
  expect(titles(models, 'llama nothing')).toEqual([]);
});

test('the group with the best line stands first', () => {
  const all = [entry('Acts', 'open the manual'), entry('Pages', 'manual')];
  expect(rankEntries(all, 'manual').map(({ kind }) => kind)).toEqual(['Pages', 'Acts']);
});

test('without words there are a few of each kind, in their own order', () => {
  const all = Array.from({ length: 30 }, (_, index) => entry('Chats', `chat ${index}`));
  expect(titles(all, '')).toEqual(['chat 0', 'chat 1', 'chat 2', 'chat 3', 'chat 4', 'chat 5']);
});

test('what the hub found stands, though no title holds the words', () => {
  expect(titles([entry('In what was said', 'Fan curves', { isFound: true })], 'bearing')).toEqual(['Fan curves']);
});
