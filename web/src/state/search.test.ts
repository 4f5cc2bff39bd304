import { afterEach, expect, test, vi } from 'vitest';
import { chat } from './samples';
import { ChatSearch, hitPath, titleHits } from './search';
import { putChat } from './store';

afterEach(() => vi.unstubAllGlobals());

const answers = (items: readonly unknown[]): void => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify({ items, next: null }))));
};

test('titles are found by all words, newest first', () => {
  const all = [chat({ id: 'a', title: 'Fan curves', updated_at: '2026-01-01' }), chat({ id: 'b', title: 'Curves of a fan', updated_at: '2026-02-01' }), chat({ id: 'c', title: 'Fans' })];
  expect(titleHits(all, 'fan curv').map(({ id }) => id)).toEqual(['b', 'a']);
  expect(titleHits(all, '  ')).toEqual([]);
});

test('titles are there at once, and what the hub found takes its place when it comes', async () => {
  putChat(chat({ id: 'known', title: 'Fan curves' }));
  const inText = chat({ id: 'far', title: 'Noise', match: { message_id: 'msg_9', text: 'the fan', spans: [[4, 7]] } });
  answers([inText]);
  const one = new ChatSearch();
  one.search('fan');
  expect(one.hits.value.map(({ id }) => id)).toEqual(['known']);
  expect(one.isSearching.value).toBe(true);
  await vi.waitFor(() => expect(one.isSearching.value).toBe(false));
  expect(one.hits.value.map(({ id }) => id)).toEqual(['far', 'known']);
  one.search('');
  expect(one.hits.value).toEqual([]);
});

test('a hub that does not answer is said, and what is known stays', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('network')));
  const one = new ChatSearch();
  one.search('fan');
  await vi.waitFor(() => expect(one.trouble.value?.code).toBe('offline'));
  expect(one.hits.value.map(({ id }) => id)).toEqual(['known']);
});

test('a hit in a message leads to it', () => {
  expect(hitPath(chat({ id: 'a', match: { message_id: 'm 1', text: '', spans: [] } }))).toBe('/chat/a?at=m%201');
  expect(hitPath(chat({ id: 'a' }))).toBe('/chat/a');
});
