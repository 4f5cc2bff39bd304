import { batch, signal, type ReadonlySignal } from '@preact/signals';
import { isNotFound } from '../api/client';
import { toTrouble } from '../api/errors';
import { messages as api, type SendBody, type Settings } from '../api/messages';
import type { Attachment, ReadChat, Sent, Trouble } from '../api/types';
import { draftId, draftMessage, fail, isDraft, isLive, makeCell, takeMessage, type Cell } from './cells';
import { dropSentDraft, keepUnsent } from './drafts';
import { Messages } from './messages';
import type { MessageNews } from './news';
import { dropChat, putChat } from './store';
import { isTemporaryHere } from './temporary';
import { removeWithUndo } from './undo';
import { Watches } from './watches';

export type Loading = 'idle' | 'loading' | 'ready' | 'missing' | 'failed';

let keyCount = 0;

/** One chat as the page shows it: its messages, the branch in view, and the runs being watched. */
export class Conversation {
  /** Tells one conversation from another, also before it has an id at the hub. */
  readonly key = (keyCount += 1);
  readonly chatId = signal<string | null>(null);
  readonly loading = signal<Loading>('idle');
  readonly trouble = signal<Trouble | null>(null);
  readonly model = signal<string | null>(null);
  readonly title = signal<string | null>(null);
  readonly settings = signal<Settings>({});
  /** Null until it is known or decided. */
  readonly isTemporary = signal<boolean | null>(null);
  /** The message that is to be brought into view. */
  readonly wanted = signal<string | null>(null);
  /** The message whose versions were just moved between: its buttons take the focus. */
  readonly turnedTo = signal<string | null>(null);
  readonly path: ReadonlySignal<readonly Cell[]>;
  readonly live: ReadonlySignal<Cell | null>;
  readonly #messages = new Messages();
  readonly #watches = new Watches(() => void this.load());
  /** Counts the readings: only the newest counts. */
  #readings = 0;
  #isReading = false;
  /** Counts what was asked of the hub here: a reading from before the last of it is too old to show. */
  #asks = 0;
  /** What it has not answered. */
  #asking = 0;
  /** It is to be read again when nothing is under way. */
  #isOld = false;
  /** How far the hub's feed was when the chat was read. */
  #readAt = 0;
  /** What came while the chat was being read or sent to: it is heard afterwards. */
  #unheard: MessageNews[] = [];

  constructor(chatId: string | null) {
    this.chatId.value = chatId;
    this.path = this.#messages.path;
    this.live = this.#messages.live;
    if (chatId === null) this.loading.value = 'ready';
  }

  get isBusy(): boolean {
    return this.#watches.count > 0 || this.#asking > 0;
  }

  async load(): Promise<void> {
    const id = this.chatId.peek();
    if (id === null) return;
    if (this.#asking > 0) {
      this.#isOld = true;
      return;
    }
    if (this.loading.peek() !== 'ready') this.loading.value = 'loading';
    const asks = this.#asks;
    const reading = (this.#readings += 1);
    this.#isReading = true;
    const found = await api.chat(id).catch((error: unknown) => ({ error }));
    if (reading !== this.#readings) return;
    if ('error' in found) this.#failed(id, found.error);
    else if (asks === this.#asks) this.#take(found);
    else this.#isOld = true;
    this.#isReading = false;
    this.#catchUp();
  }

  /** Reads it again if it was read before `position`: what changed in between, a feed that began there does not tell. */
  catchUpWith(position: number): void {
    if (this.#readAt < position) void this.load();
  }

  siblings(cell: Cell): readonly Cell[] {
    return this.#messages.siblings(cell);
  }

  /** Shows the branch of a message, here and wherever this chat is opened next. */
  showBranch(cell: Cell): void {
    const head = this.#messages.show(cell.id);
    this.turnedTo.value = cell.id;
    const id = this.chatId.peek();
    if (id === null || head === null || isDraft({ id: head })) return;
    // It only remembers the view: a hub that does not take it changes nothing on the page, and leaving the page is no
    // reason to forget it.
    void api.changeChat(id, { head_id: head }, true).catch(() => undefined);
  }

  /** Brings a message into view, in whatever branch it is. */
  reveal(id: string): void {
    if (this.#messages.show(id) !== null) this.wanted.value = id;
  }

  /** Sends a message below the branch in view. It is on the page before the hub has heard of it. */
  async send(content: string, model: string, attachments: readonly Attachment[] = []): Promise<void> {
    await this.#sendBelow(this.path.peek().at(-1)?.id ?? null, content, model, attachments);
  }

  /** Asks anew, as another version of the question. */
  async edit(question: Cell, content: string, model: string): Promise<void> {
    const { attachments } = question.message.peek();
    if (isDraft(question)) this.#messages.drop([question.id]);
    await this.#sendBelow(question.parent_id, content, model, attachments);
  }

  /** Asks for another answer to the same question; one that never reached the hub is sent again. */
  async retry(answer: Cell, model: string): Promise<void> {
    const question = this.#messages.get(answer.parent_id);
    if (question === undefined) return;
    if (isDraft(question)) await this.edit(question, question.text.peek(), model);
    else {
      if (isDraft(answer)) this.#messages.drop([answer.id]);
      await this.#ask(question, { content: null, model, parent_id: question.id });
    }
  }

  /** Goes on with an answer that ended early, in the same message. */
  async goOn(answer: Cell, model: string): Promise<void> {
    const id = this.chatId.peek();
    if (id === null) return;
    const before = answer.message.peek();
    answer.message.value = { ...before, status: 'waiting', error: null, run_id: null };
    const goOn = async (): Promise<void> => {
      const { reply, run } = await api.goOn(id, answer.id, model);
      takeMessage(answer, { ...reply, run_id: reply.run_id ?? run.id });
      this.#watches.begin(answer);
    };
    await this.#askHub(() => this.#attempt(goOn, () => (answer.message.value = before)));
  }

  /** Deletes a message with all below it, unless it is taken back in time. */
  remove(cell: Cell): void {
    const id = this.chatId.peek();
    if (id === null || isDraft(cell)) {
      this.#messages.drop([cell.id]);
      return;
    }
    removeWithUndo(cell.id, 'Message deleted, with what came after it.', async (keepalive) => {
      await api.remove(id, cell.id, keepalive);
      this.#forget([cell.id]);
    });
  }

  /** A new chat with the branch up to this message. Answers its id, or null if it failed. */
  async fork(cell: Cell): Promise<string | null> {
    const id = this.chatId.peek();
    let made: string | null = null;
    if (id !== null) {
      await this.#attempt(async () => {
        const chat = await api.fork(id, cell.id);
        putChat(chat);
        made = chat.id;
      });
    }
    return made;
  }

  async stop(answer: Cell): Promise<void> {
    answer.isStopping.value = true;
    const runId = answer.message.peek().run_id;
    if (runId === null) return;
    await this.#attempt(() => api.stop(runId), () => (answer.isStopping.value = false));
  }

  /** A waiting answer asks another model instead. */
  async move(answer: Cell, model: string): Promise<void> {
    const runId = answer.message.peek().run_id;
    if (runId === null) return;
    this.model.value = model;
    await this.#attempt(async () => {
      await api.move(runId, model);
      answer.message.value = { ...answer.message.peek(), model };
    });
  }

  /** Sets the system prompt and what else goes with each request of this chat. */
  async setSettings(settings: Settings): Promise<void> {
    const before = this.settings.peek();
    this.settings.value = settings;
    const id = this.chatId.peek();
    if (id === null) return;
    const undo = (): void => void (this.settings.value = before);
    await this.#askHub(() => this.#attempt(() => api.changeChat(id, { settings }), undo));
  }

  /** What another page did to this chat. */
  hear(news: MessageNews): void {
    if (this.loading.peek() !== 'ready' || this.#asking > 0 || this.#isReading) {
      this.#unheard.push(news);
      return;
    }
    if ('removed' in news) {
      this.#forget(news.removed);
      return;
    }
    const known = this.#messages.get(news.message.id);
    if (known === undefined) {
      const cell = makeCell(news.message);
      const isNext = cell.parent_id === (this.path.peek().at(-1)?.id ?? null);
      this.#forgetDrafts(this.#messages.arrive(cell));
      if (isNext) this.#messages.setLeaf(cell.id);
      this.#watches.begin(cell);
    } else if (!this.#watches.has(known)) {
      takeMessage(known, news.message);
      this.#watches.begin(known);
    }
  }

  close(): void {
    this.#watches.close();
  }

  #take(chat: ReadChat): void {
    this.#readAt = chat.feed_position;
    batch(() => {
      this.#forgetDrafts(this.#messages.take(chat.messages, (cell) => this.#watches.has(cell)));
      if (this.#messages.leafId === null && chat.head_id !== null) this.#messages.show(chat.head_id);
      this.title.value = chat.title;
      this.model.value ??= chat.model;
      this.settings.value = chat.settings;
      this.isTemporary.value = chat.is_temporary;
      this.trouble.value = null;
      this.loading.value = 'ready';
    });
    for (const cell of this.#messages.all()) if (isLive(cell.message.peek().status)) this.#watches.begin(cell);
  }

  #failed(id: string, error: unknown): void {
    const isGone = isNotFound(error);
    this.trouble.value = toTrouble(error);
    if (isGone) dropChat(id);
    if (this.loading.peek() !== 'ready' || isGone) this.loading.value = isGone ? 'missing' : 'failed';
  }

  /** What could not be sent, so it seemed, and is at the hub all the same. */
  #forgetDrafts(arrived: readonly Cell[]): void {
    for (const cell of arrived) if (cell.role === 'user') dropSentDraft(this.chatId.peek(), cell.text.peek());
  }

  #forget(ids: readonly string[]): void {
    for (const cell of this.#messages.all()) if (ids.includes(cell.id)) this.#watches.end(cell);
    this.#messages.drop(ids.filter((id) => this.#messages.get(id) !== undefined));
  }

  /** Does something at the hub; what it refuses is said on the page and undone. */
  async #attempt(act: () => Promise<unknown>, undo: () => void = () => undefined): Promise<void> {
    try {
      await act();
    } catch (error) {
      batch(() => {
        undo();
        this.trouble.value = toTrouble(error);
      });
    }
  }

  async #sendBelow(parentId: string | null, content: string, model: string, attachments: readonly Attachment[]): Promise<void> {
    const question = makeCell(
      draftMessage({ id: draftId(), parent_id: parentId, role: 'user', content, status: 'complete', model: null, attachments }),
    );
    this.#messages.add([question]);
    const files = attachments.length === 0 ? {} : { attachments: attachments.map(({ id }) => id) };
    await this.#ask(question, { content, model, parent_id: parentId, ...files });
  }

  async #ask(question: Cell, body: SendBody): Promise<void> {
    const { model } = body;
    const answer = makeCell(
      draftMessage({ id: draftId(), parent_id: question.id, role: 'assistant', content: '', status: 'waiting', model, attachments: [] }),
    );
    batch(() => {
      this.#messages.add([answer]);
      this.#messages.setLeaf(answer.id);
      this.model.value = model;
      this.trouble.value = null;
    });
    const keep = (): void =>
      keepUnsent(this.chatId.peek(), body.content, question.message.peek().attachments, this.isTemporary.peek() ?? false);
    // A page that is left before the hub has it would lose it; a chat that is not there yet has no place of its own.
    if (this.chatId.peek() !== null) keep();
    await this.#askHub(async () => {
      try {
        const chatId = this.chatId.peek() ?? (await this.#create(model));
        this.#sent(await api.send(chatId, body), question, answer);
        dropSentDraft(chatId, body.content);
      } catch (error) {
        fail(answer, toTrouble(error));
        keep();
      }
    });
  }

  /** While the hub is asked for something, news waits, and so does a new reading. */
  async #askHub(ask: () => Promise<void>): Promise<void> {
    this.#asks += 1;
    this.#asking += 1;
    try {
      await ask();
    } finally {
      this.#asking -= 1;
      this.#catchUp();
    }
  }

  /** Hears what came meanwhile, after a new reading where one is due. */
  #catchUp(): void {
    if (this.#asking > 0 || this.#isReading) return;
    if (this.#isOld) {
      this.#isOld = false;
      void this.load();
      return;
    }
    for (const news of this.#unheard.splice(0)) this.hear(news);
  }

  async #create(model: string): Promise<string> {
    const isTemporary = (this.isTemporary.value ??= isTemporaryHere.peek());
    // What happened to it before it was there is nothing.
    this.#readAt = Infinity;
    const chat = await api.createChat({ model, settings: this.settings.peek(), is_temporary: isTemporary });
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
    batch(() => {
      const isInView = this.#messages.leafId === answer.id;
      this.#messages.add([asked, reply], [question.id, answer.id]);
      if (isInView) this.#messages.setLeaf(reply.id);
    });
    this.#watches.begin(reply);
    if (reply.isStopping.peek()) void this.stop(reply);
  }
}
