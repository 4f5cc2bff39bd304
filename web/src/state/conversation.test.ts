import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Message } from '../api/types';
import { Conversation } from './conversation';
import { readDraft } from './drafts';
import { chat as aChat, message } from './samples';

type Answer = (body: unknown) => Response | Promise<Response>;

/** A hub at the door of the network: one answer per method and path; bodies are noted. */
class FakeHub {
  readonly calls: { readonly what: string; readonly body: unknown }[] = [];
  readonly answers = new Map<string, Answer>();

  on(what: string, answer: Answer): void {
    this.answers.set(what, answer);
  }

  readonly fetch = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const what = `${init.method ?? 'GET'} ${path}`;
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : null;
    this.calls.push({ what, body });
    const answer = this.answers.get(what);
    return answer === undefined ? json({ detail: `no answer for ${what}` }, 404) : answer(body);
  };
}

const json = (value: unknown, status = 200): Response => new Response(JSON.stringify(value), { status });
const sse = (...events: readonly [string, unknown, number][]): Response =>
  new Response(events.map(([kind, data, id]) => `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`).join(''));

const asked = (content: string): Message => message({ id: 'msg_q', content });
const reply = (fields: Partial<Message> = {}): Message =>
  message({ id: 'msg_a', parent_id: 'msg_q', role: 'assistant', content: '', status: 'streaming', run_id: 'run_1', created_at: '2026-11-20T08:00:01Z', ...fields });

const chat = { ...aChat({ title: 'hello', model: 'box/llama' }), settings: {}, messages: [] as Message[], feed_position: 7 };

let hub: FakeHub;
beforeEach(() => {
  hub = new FakeHub();
  vi.stubGlobal('fetch', hub.fetch);
  localStorage.clear();
});
afterEach(() => vi.unstubAllGlobals());

const texts = (conversation: Conversation): string[] => conversation.path.value.map((cell) => cell.text.value);
const statuses = (conversation: Conversation): string[] => conversation.path.value.map((cell) => cell.message.value.status);

describe('Conversation', () => {
  it('shows a message before the hub has heard of it, then follows its run to the end', async () => {
    hub.on('POST /api/chats', () => json(chat, 201));
    hub.on('POST /api/chats/cht_1/messages', () => json({ message: asked('hello'), reply: reply(), run: { id: 'run_1', status: 'streaming' } }, 202));
    hub.on('GET /api/runs/run_1/events?every_ms=40', () =>
      sse(
        ['status', { status: 'streaming' }, 0],
        ['delta', { reasoning: 'hm' }, 2],
        ['delta', { text: 'Hi ' }, 5],
        ['delta', { text: 'Hi ' }, 5],
        ['delta', { text: 'there.' }, 11],
        ['end', { message: reply({ content: 'Hi there.', status: 'complete', reasoning: 'hm' }) }, 11],
      ),
    );
    const conversation = new Conversation(null);
    const sending = conversation.send('hello', 'box/llama');
    expect(texts(conversation)).toEqual(['hello', '']);
    expect(conversation.live.value).not.toBeNull();
    await sending;
    await vi.waitFor(() => expect(statuses(conversation)).toEqual(['complete', 'complete']));
    expect(texts(conversation)).toEqual(['hello', 'Hi there.']);
    expect(conversation.path.value[1]?.reasoning.value).toBe('hm');
    expect(conversation.chatId.value).toBe('cht_1');
    expect(conversation.live.value).toBeNull();
    expect(hub.calls[1]?.body).toEqual({ content: 'hello', model: 'box/llama', parent_id: null });
  });

  it('says in place why a send failed, keeps the words as the draft, and sends them again', async () => {
    const problem = { detail: 'The tunnel is stopped.', code: 'tunnel_stopped', hint: 'Restart the session.', status: 503 };
    hub.on('POST /api/chats/cht_1/messages', () => json(problem, 503));
    const conversation = new Conversation('cht_1');
    await conversation.send('hello', 'box/llama');
    const failed = conversation.path.value[1]!;
    expect(failed.message.value).toMatchObject({ status: 'failed', error: { code: 'tunnel_stopped', hint: 'Restart the session.' } });
    expect(readDraft('cht_1').text).toBe('hello');
    hub.on('POST /api/chats/cht_1/messages', () =>
      json({ message: asked('hello'), reply: reply({ status: 'complete', content: 'Hi' }), run: { id: 'run_1', status: 'complete' } }, 202),
    );
    await conversation.retry(failed, 'box/llama');
    expect(texts(conversation)).toEqual(['hello', 'Hi']);
    expect(readDraft('cht_1').text).toBe('');
  });

  it('asks for another answer to a stored question as a version of the first', async () => {
    hub.on('GET /api/chats/cht_1', () => json({ ...chat, messages: [asked('hello'), reply({ status: 'complete', content: 'one' })] }));
    const second = reply({ id: 'msg_b', status: 'complete', content: 'two', created_at: '2026-11-20T08:00:02Z' });
    hub.on('POST /api/chats/cht_1/messages', () => json({ message: asked('hello'), reply: second, run: { id: 'run_2', status: 'complete' } }, 202));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    await conversation.retry(conversation.path.value[1]!, 'box/llama');
    expect(hub.calls.at(-1)?.body).toEqual({ content: null, model: 'box/llama', parent_id: 'msg_q' });
    expect(texts(conversation)).toEqual(['hello', 'two']);
    const versions = conversation.siblings(conversation.path.value[1]!);
    expect(versions.map((cell) => cell.text.value)).toEqual(['one', 'two']);
    conversation.showBranch(versions[0]!);
    expect(texts(conversation)).toEqual(['hello', 'one']);
  });

  it('asks once for a run that the hub does not know, however often its message is read', async () => {
    hub.on('GET /api/chats/cht_1', () => json({ ...chat, messages: [asked('hello'), reply({ content: 'Hi' })] }));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    const count = (part: string): number => hub.calls.filter(({ what }) => what.includes(part)).length;
    await vi.waitFor(() => expect(count('/api/chats/cht_1')).toBe(2));
    await conversation.load();
    expect(count('/api/runs/run_1')).toBe(1);
    expect(texts(conversation)).toEqual(['hello', 'Hi']);
    conversation.close();
  });

  it('goes on with a run that was under way when the chat was opened, and never shows less', async () => {
    hub.on('GET /api/chats/cht_1', () => json({ ...chat, messages: [asked('hello'), reply({ content: 'Hi th' })] }));
    hub.on('GET /api/runs/run_1/events?every_ms=40', () =>
      sse(['delta', { text: 'Hi' }, 2], ['delta', { text: ' there' }, 8], ['end', { message: reply({ content: 'Hi there', status: 'complete' }) }, 8]),
    );
    const conversation = new Conversation('cht_1');
    const seen: string[] = [];
    await conversation.load();
    conversation.path.value[1]?.text.subscribe((text) => seen.push(text));
    await vi.waitFor(() => expect(statuses(conversation)[1]).toBe('complete'));
    expect(seen).toEqual(['Hi th', 'Hi there']);
  });

  it('stops a run that had no id yet as soon as it has one', async () => {
    let answer: (response: Response) => void = () => undefined;
    hub.on('POST /api/chats/cht_1/messages', () => new Promise((resolve) => (answer = resolve)));
    hub.on('POST /api/runs/run_1/stop', () => json({ id: 'run_1', status: 'stopped' }, 202));
    hub.on('GET /api/runs/run_1/events?every_ms=40', () => sse(['end', { message: reply({ status: 'stopped', content: 'Hi' }) }, 2]));
    const conversation = new Conversation('cht_1');
    const sending = conversation.send('hello', 'box/llama');
    await conversation.stop(conversation.live.value!);
    expect(hub.calls.filter(({ what }) => what.includes('stop'))).toHaveLength(0);
    answer(json({ message: asked('hello'), reply: reply(), run: { id: 'run_1', status: 'streaming' } }, 202));
    await sending;
    await vi.waitFor(() => expect(statuses(conversation)[1]).toBe('stopped'));
    expect(hub.calls.filter(({ what }) => what.includes('stop'))).toHaveLength(1);
    expect(texts(conversation)[1]).toBe('Hi');
  });

  it('knows a chat that is not there', async () => {
    hub.on('GET /api/chats/cht_9', () => json({ detail: 'There is no such chat.', code: 'not_found' }, 404));
    const conversation = new Conversation('cht_9');
    await conversation.load();
    expect(conversation.loading.value).toBe('missing');
  });

  it('hears what another page did, also while it was being read', async () => {
    let answer: (response: Response) => void = () => undefined;
    hub.on('GET /api/chats/cht_1', () => new Promise((resolve) => (answer = resolve)));
    const conversation = new Conversation('cht_1');
    const loading = conversation.load();
    conversation.hear({ chat_id: 'cht_1', message: asked('from elsewhere') });
    answer(json({ ...chat, messages: [] }));
    await loading;
    expect(texts(conversation)).toEqual(['from elsewhere']);
    conversation.hear({ chat_id: 'cht_1', message: reply({ status: 'complete', content: 'heard' }) });
    expect(texts(conversation)).toEqual(['from elsewhere', 'heard']);
    conversation.hear({ chat_id: 'cht_1', removed: ['msg_a'] });
    expect(texts(conversation)).toEqual(['from elsewhere']);
  });

  it('loses nothing that it hears while it is read again', async () => {
    hub.on('GET /api/chats/cht_1', () => json(chat));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    let answer: (response: Response) => void = () => undefined;
    hub.on('GET /api/chats/cht_1', () => new Promise((resolve) => (answer = resolve)));
    const loading = conversation.load();
    conversation.hear({ chat_id: 'cht_1', message: asked('from elsewhere') });
    answer(json(chat));
    await loading;
    expect(texts(conversation)).toEqual(['from elsewhere']);
  });

  it('loses nothing that is sent while it is read again, and reads once more', async () => {
    hub.on('GET /api/chats/cht_1', () => json(chat));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    let answer: (response: Response) => void = () => undefined;
    hub.on('GET /api/chats/cht_1', () => new Promise((resolve) => (answer = resolve)));
    const done = reply({ status: 'complete', content: 'Hi' });
    hub.on('POST /api/chats/cht_1/messages', () => json({ message: asked('hello'), reply: done, run: { id: 'run_1', status: 'complete' } }, 202));
    const loading = conversation.load();
    await conversation.send('hello', 'box/llama');
    hub.on('GET /api/chats/cht_1', () => json({ ...chat, messages: [asked('hello'), done, asked('from elsewhere')].map((one, n) => (n < 2 ? one : { ...one, id: 'msg_2', parent_id: 'msg_a' })) }));
    answer(json(chat));
    await loading;
    expect(texts(conversation)).toEqual(['hello', 'Hi']);
    await vi.waitFor(() => expect(texts(conversation)).toEqual(['hello', 'Hi', 'from elsewhere']));
  });

  it('keeps what could not be sent on the page, until the hub has it after all', async () => {
    hub.on('POST /api/chats/cht_1/messages', () => json({ detail: 'No.', code: 'hub_stopping', status: 503 }, 503));
    hub.on('GET /api/chats/cht_1', () => json(chat));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    await conversation.send('hello', 'box/llama');
    await conversation.load();
    expect(statuses(conversation)).toEqual(['complete', 'failed']);
    hub.on('GET /api/chats/cht_1', () => json({ ...chat, messages: [asked('hello'), reply({ status: 'complete', content: 'Hi' })] }));
    await conversation.load();
    expect(texts(conversation)).toEqual(['hello', 'Hi']);
    expect(conversation.siblings(conversation.path.value[0]!)).toHaveLength(1);
  });

  it('knows what could not be sent, so it seemed, when the feed tells of it', async () => {
    hub.on('POST /api/chats/cht_1/messages', () => json({ detail: 'No.', code: 'bad_gateway', status: 502 }, 502));
    hub.on('GET /api/chats/cht_1', () => json(chat));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    await conversation.send('hello', 'box/llama');
    expect(readDraft('cht_1').text).toBe('hello');
    conversation.hear({ chat_id: 'cht_1', message: asked('hello') });
    conversation.hear({ chat_id: 'cht_1', message: reply({ status: 'complete', content: 'Hi' }) });
    expect(texts(conversation)).toEqual(['hello', 'Hi']);
    expect(conversation.siblings(conversation.path.value[0]!)).toHaveLength(1);
    expect(readDraft('cht_1').text).toBe('');
  });

  it('keeps the words of a message that is on its way, for a page that is left', async () => {
    let answer: (response: Response) => void = () => undefined;
    hub.on('POST /api/chats/cht_1/messages', () => new Promise((resolve) => (answer = resolve)));
    const conversation = new Conversation('cht_1');
    const sending = conversation.send('hello', 'box/llama');
    expect(readDraft('cht_1').text).toBe('hello');
    answer(json({ message: asked('hello'), reply: reply({ status: 'complete' }), run: { id: 'run_1', status: 'complete' } }, 202));
    await sending;
    expect(readDraft('cht_1').text).toBe('');
  });

  it('goes by the newest reading, whichever comes last, and does not wait for an older one', async () => {
    const answers: ((response: Response) => void)[] = [];
    hub.on('GET /api/chats/cht_1', () => new Promise((resolve) => answers.push(resolve)));
    const conversation = new Conversation('cht_1');
    const old = conversation.load();
    const newest = conversation.load();
    answers[1]!(json({ ...chat, messages: [asked('hello')] }));
    await newest;
    conversation.hear({ chat_id: 'cht_1', message: reply({ status: 'complete', content: 'heard' }) });
    expect(texts(conversation)).toEqual(['hello', 'heard']);
    answers[0]!(json({ detail: 'No.', code: 'busy', status: 503 }, 503));
    await old;
    expect(texts(conversation)).toEqual(['hello', 'heard']);
    expect(conversation.trouble.value).toBeNull();
  });

  it('does not take back settings that were changed while it was read', async () => {
    hub.on('GET /api/chats/cht_1', () => json(chat));
    hub.on('PATCH /api/chats/cht_1', () => json(chat));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    let answer: (response: Response) => void = () => undefined;
    hub.on('GET /api/chats/cht_1', () => new Promise((resolve) => (answer = resolve)));
    const loading = conversation.load();
    await conversation.setSettings({ system_prompt: 'Be short.' });
    hub.on('GET /api/chats/cht_1', () => json({ ...chat, settings: { system_prompt: 'Be short.' } }));
    answer(json(chat));
    await loading;
    expect(conversation.settings.value).toEqual({ system_prompt: 'Be short.' });
  });

  it('is read again where a change may lie between its reading and the beginning of the feed', async () => {
    hub.on('GET /api/chats/cht_1', () => json(chat));
    const conversation = new Conversation('cht_1');
    await conversation.load();
    conversation.catchUpWith(7);
    expect(hub.calls).toHaveLength(1);
    conversation.catchUpWith(8);
    expect(hub.calls).toHaveLength(2);
  });
});
