import { batch, computed, signal, type ReadonlySignal } from '@preact/signals';
import { isAbort } from '../api/client';
import { toTrouble } from '../api/errors';
import { library } from '../api/library';
import type { ChatSummary, Trouble } from '../api/types';
import { newestFirst } from './chat-groups';
import { spansIn, wordsOf } from './highlight';
import { chats, hidden } from './store';

/** Typing pauses this long before the hub is asked. */
const PAUSE_MS = 150;
const MOST = 50;

/** What this page knows already: chats whose titles hold all of the words. At once, without the network. */
export function titleHits(all: readonly ChatSummary[], words: string): readonly ChatSummary[] {
  if (wordsOf(words).length === 0) return [];
  return all
    .map((chat) => ({ chat, spans: spansIn(chat.title, words) }))
    .filter(({ spans }) => spans.length > 0)
    .map(({ chat, spans }): ChatSummary => ({ ...chat, match: { message_id: null, text: chat.title, spans } }))
    .sort(newestFirst);
}

/** A search as somebody types it: titles that are known here at once, then what the hub found. */
export class ChatSearch {
  readonly query = signal('');
  readonly trouble = signal<Trouble | null>(null);
  readonly hits: ReadonlySignal<readonly ChatSummary[]>;
  /** Whether the hub has still to answer what is typed now. */
  readonly isSearching: ReadonlySignal<boolean>;
  readonly #answer = signal<{ readonly query: string; readonly items: readonly ChatSummary[] } | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | null = null;

  constructor() {
    this.hits = computed(() => {
      const known = titleHits(chats.value, this.query.value);
      const found = this.#answer.value?.query === this.query.value ? this.#answer.value.items : [];
      const rest = known.filter(({ id }) => !found.some((item) => item.id === id));
      return [...found.filter(({ id }) => !hidden.value.has(id)), ...rest].slice(0, MOST);
    });
    this.isSearching = computed(() => {
      const isOpen = this.query.value.trim() !== '' && this.#answer.value?.query !== this.query.value;
      return isOpen && this.trouble.value === null;
    });
  }

  readonly search = (text: string): void => {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    batch(() => {
      this.query.value = text;
      this.trouble.value = null;
      if (text.trim() === '') this.#answer.value = null;
    });
    if (text.trim() !== '') this.#timer = setTimeout(() => void this.#ask(text), PAUSE_MS);
  };

  async #ask(text: string): Promise<void> {
    const mine = new AbortController();
    this.#abort = mine;
    try {
      const page = await library.list({ q: text, archived: 'all', limit: MOST }, mine.signal);
      if (!mine.signal.aborted) this.#answer.value = { query: text, items: page.items };
    } catch (error) {
      if (!isAbort(error) && !mine.signal.aborted) this.trouble.value = toTrouble(error);
    }
  }
}

/** Where a hit leads: to its message, where it was found in one. */
export function hitPath({ id, match }: ChatSummary): string {
  const message = match?.message_id ?? null;
  return message === null ? `/chat/${id}` : `/chat/${id}?at=${encodeURIComponent(message)}`;
}

/** The search of the sidebar. */
export const chatSearch = new ChatSearch();
