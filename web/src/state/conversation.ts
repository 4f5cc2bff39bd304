import { batch, computed, signal, type ReadonlySignal } from '@preact/signals';
import { isNotFound } from '../api/client';
import { toTrouble } from '../api/errors';
import { chats as api, type SendBody } from '../api/hub';
import type { Chat, Message, Sent, Trouble } from '../api/types';
import { watchRun, type RunEvent } from '../stream/run';
import type { EventSubscription } from '../stream/source';
import { draftMessage, fail, isLive, makeCell, takeMessage, type Cell } from './cells';
import { dropSentDraft, keepUnsent } from './drafts';
import { dropChat, putChat } from './store';
import { leafBelow, pathTo, siblingsOf } from './tree';

export type Loading = 'idle' | 'loading' | 'ready' | 'missing' | 'failed';

let draftCount = 0;
const draftId = (): string => `draft-${(draftCount += 1)}`;

/** One chat as the page shows it: its messages, the branch in view, and the runs being watched. */
export class Conversation {
  readonly chatId = signal<string | null>(null);
  readonly loading = signal<Loading>('idle');
  readonly trouble = signal<Trouble | null>(null);
  readonly model = signal<string | null>(null);
  readonly title = signal<string | null>(null);
  readonly path: ReadonlySignal<readonly Cell[]>;
  /** The answer that is being written in the branch in view, if there is one. */
  readonly live: ReadonlySignal<Cell | null>;
  readonly #cells = signal<readonly Cell[]>([]);
  readonly #leaf = signal<string | null>(null);
  readonly #watched = new Map<string, EventSubscription>();
  #sending = 0;

  constructor(chatId: string | null) {
    this.chatId.value = chatId;
    this.path = computed(() => pathTo(this.#cells.value, this.#leaf.value));
    this.live = computed(() => this.path.value.findLast((cell) => isLive(cell.message.value.status)) ?? null);
    if (chatId === null) this.loading.value = 'ready';
  }

  get isBusy(): boolean {
    return this.#watched.size > 0 || this.#sending > 0;
  }

  async load(): Promise<void> {
    const id = this.chatId.peek();
    if (id === null || this.#sending > 0) return;
    if (this.loading.peek() !== 'ready') this.loading.value = 'loading';
    try {
      this.#take(await api.get(id));
    } catch (error) {
      this.trouble.value = toTrouble(error);
      if (isNotFound(error)) dropChat(id);
      if (this.loading.peek() !== 'ready' || isNotFound(error)) this.loading.value = isNotFound(error) ? 'missing' : 'failed';
    }
  }

  siblings(cell: Cell): readonly Cell[] {
    return siblingsOf(this.#cells.value, cell);
  }

  showBranch(cell: Cell): void {
    this.#leaf.value = leafBelow(this.#cells.peek(), cell.id);
  }

  /** Sends a message below the branch in view. It is on the page before the hub has heard of it. */
  async send(content: string, model: string): Promise<void> {
    await this.#sendBelow(this.path.peek().at(-1)?.id ?? null, content, model);
  }

  /** Asks for another answer to the same question; one that never reached the hub is sent again. */
  async retry(answer: Cell, model: string): Promise<void> {
    const question = this.#cells.peek().find((cell) => cell.id === answer.parent_id);
    if (question === undefined) return;
    if (answer.id.startsWith('draft-')) this.#drop([answer.id]);
    if (question.id.startsWith('draft-')) {
      this.#drop([question.id]);
      await this.#sendBelow(question.parent_id, question.text.peek(), model);
    } else await this.#ask(question, { content: null, model, parent_id: question.id });
  }

  async stop(cell: Cell): Promise<void> {
    cell.isStopping.value = true;
    const runId = cell.message.peek().run_id;
    if (runId === null) return;
    try {
      await api.stopRun(runId);
    } catch (error) {
      batch(() => {
        cell.isStopping.value = false;
        this.trouble.value = toTrouble(error);
      });
    }
  }

  close(): void {
    for (const watch of this.#watched.values()) watch.close();
    this.#watched.clear();
  }

  #take(chat: Chat): void {
    const known = new Map(this.#cells.peek().map((cell) => [cell.id, cell]));
    batch(() => {
      this.#cells.value = chat.messages.map((message) => {
        const cell = known.get(message.id);
        if (cell === undefined) return makeCell(message);
        if (!this.#watched.has(cell.id)) takeMessage(cell, message);
        return cell;
      });
      if (!chat.messages.some(({ id }) => id === this.#leaf.peek())) this.#leaf.value = null;
      this.title.value = chat.title;
      this.model.value ??= chat.model;
      this.trouble.value = null;
      this.loading.value = 'ready';
    });
    for (const cell of this.#cells.peek()) this.#watch(cell);
  }

  #drop(ids: readonly string[]): void {
    this.#cells.value = this.#cells.peek().filter((cell) => !ids.includes(cell.id));
  }

  async #sendBelow(parentId: string | null, content: string, model: string): Promise<void> {
    const question = makeCell(
      draftMessage({ id: draftId(), parent_id: parentId, role: 'user', content, status: 'complete', model: null }),
    );
    this.#cells.value = [...this.#cells.peek(), question];
    await this.#ask(question, { content, model, parent_id: parentId });
  }

  async #ask(question: Cell, body: SendBody): Promise<void> {
    const { model } = body;
    const answer = makeCell(
      draftMessage({ id: draftId(), parent_id: question.id, role: 'assistant', content: '', status: 'waiting', model }),
    );
    batch(() => {
      this.#cells.value = [...this.#cells.peek(), answer];
      this.#leaf.value = answer.id;
      this.model.value = model;
      this.trouble.value = null;
    });
    this.#sending += 1;
    try {
      const chatId = this.chatId.peek() ?? (await this.#create(model));
      this.#sent(await api.send(chatId, body), question, answer);
      dropSentDraft(chatId, body.content);
    } catch (error) {
      fail(answer, toTrouble(error));
      keepUnsent(this.chatId.peek(), body.content);
    } finally {
      this.#sending -= 1;
    }
  }

  async #create(model: string): Promise<string> {
    const chat = await api.create({ model });
    putChat(chat);
    batch(() => {
      this.chatId.value = chat.id;
      this.title.value = chat.title;
    });
    return chat.id;
  }

  /** Puts the hub's messages in the place of the two that stood in for them. */
  #sent(sent: Sent, question: Cell, answer: Cell): void {
    const asked = question.id === sent.message.id ? question : makeCell(sent.message);
    const reply = makeCell({ ...sent.reply, run_id: sent.reply.run_id ?? sent.run.id });
    reply.isStopping.value = answer.isStopping.peek();
    const drafts = [question.id, answer.id, asked.id, reply.id];
    batch(() => {
      this.#cells.value = [...this.#cells.peek().filter(({ id }) => !drafts.includes(id)), asked, reply];
      if (this.#leaf.peek() === answer.id) this.#leaf.value = reply.id;
    });
    this.#watch(reply);
    if (reply.isStopping.peek()) void this.stop(reply);
  }

  #watch(cell: Cell): void {
    const { run_id: runId, status } = cell.message.peek();
    if (runId === null || !isLive(status) || this.#watched.has(cell.id)) return;
    const onEvent = follow(cell, (message) => this.#finish(cell, message));
    const watch = watchRun(runId, {
      onEvent,
      onState: (state) => (cell.link.value = state),
      onRefused: () => {
        this.#watched.delete(cell.id);
        void this.load();
      },
    });
    this.#watched.set(cell.id, watch);
  }

  #finish(cell: Cell, message: Message): void {
    this.#watched.delete(cell.id);
    batch(() => {
      takeMessage(cell, message);
      cell.isStopping.value = false;
    });
  }
}

/**
 * A run is replayed from its first event, so text is gathered beside what is shown and takes its
 * place once it is as long: nothing blinks when a chat is opened in mid-answer.
 */
function follow(cell: Cell, onEnd: (message: Message) => void): (event: RunEvent) => void {
  let text = '';
  let reasoning = '';
  return (event) => {
    if (event.kind === 'end') onEnd(event.message);
    else if (event.kind === 'status') {
      const now = cell.message.peek();
      const status = isKnownLive(event.status) ? event.status : now.status;
      batch(() => {
        cell.message.value = { ...now, status, error: event.error ?? now.error };
        cell.reason.value = event.reason;
      });
    } else {
      text += event.text;
      reasoning += event.reasoning;
      batch(() => {
        if (text.length > cell.text.peek().length) cell.text.value = text;
        if (reasoning.length > cell.reasoning.peek().length) cell.reasoning.value = reasoning;
        const now = cell.message.peek();
        if (now.status === 'waiting') cell.message.value = { ...now, status: 'streaming' };
      });
    }
  };
}

function isKnownLive(status: string): status is 'streaming' | 'waiting' {
  return status === 'streaming' || status === 'waiting';
}
