import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { chatTroubles, pinChat, renameChat, startChatActs } from './chat-acts';
import { chat } from './samples';
import { chatsById, putChat } from './store';

interface Call {
  readonly init: RequestInit;
  readonly answer: (response: Response) => void;
}
let calls: Call[] = [];

beforeEach(() => {
  calls = [];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => new Promise((answer) => calls.push({ init, answer })));
  putChat(chat());
});
afterEach(() => vi.unstubAllGlobals());

const bodies = (): unknown[] => calls.map(({ init }) => JSON.parse(init.body as string) as unknown);
const shown = () => chatsById.value.get('cht_1');

test('one change goes after the other, and both are on the page meanwhile', async () => {
  const changes = [pinChat(chat()), renameChat(chat(), 'Tea')];
  await vi.waitFor(() => expect(bodies()).toEqual([{ is_pinned: true }]));
  expect(shown()).toMatchObject({ is_pinned: true, title: 'Tea' });
  calls[0]!.answer(new Response(JSON.stringify(chat({ is_pinned: true }))));
  await vi.waitFor(() => expect(bodies()).toEqual([{ is_pinned: true }, { title: 'Tea' }]));
  expect(shown()).toMatchObject({ is_pinned: true, title: 'Tea' });
  calls[1]!.answer(new Response(JSON.stringify(chat({ is_pinned: true, title: 'Tea' }))));
  await Promise.all(changes);
  expect(shown()).toMatchObject({ is_pinned: true, title: 'Tea' });
});

test('one that is refused is taken back and told, and the next is made all the same', async () => {
  const changes = [pinChat(chat()), renameChat(chat(), 'Tea')];
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  calls[0]!.answer(new Response(JSON.stringify({ detail: 'No.', code: 'busy' }), { status: 503 }));
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(shown()).toMatchObject({ is_pinned: false, title: 'Tea' });
  expect(chatTroubles.value.get('cht_1')?.code).toBe('busy');
  calls[1]!.answer(new Response(JSON.stringify(chat({ title: 'Tea' }))));
  await Promise.all(changes);
});

test('leaving the page makes what waited for its turn', async () => {
  startChatActs();
  void pinChat(chat());
  void renameChat(chat(), 'Tea');
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  window.dispatchEvent(new Event('pagehide'));
  expect(bodies()[1]).toEqual({ is_pinned: true, title: 'Tea' });
  expect(calls.map(({ init }) => init.keepalive)).toEqual([true, true]);
});
