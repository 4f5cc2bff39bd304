import { signal } from '@preact/signals';
import type { Conversation } from './conversation';
import { readDraft, writeDraft } from './drafts';
import { isTemporaryHere } from './temporary';
import { PASTE_AS_FILE, Uploads } from './uploads';

/** What is being written in one conversation. It stays while one looks at another. */
export class Composing {
  readonly text = signal('');
  /** The key that sends was pressed before it was known to which model; it counts once one is, if nothing is changed before. */
  readonly isAsked = signal(false);
  readonly uploads = new Uploads(() => {
    this.isAsked.value = false;
    this.#keep();
  });
  readonly #conversation: Conversation;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
    const draft = readDraft(conversation.chatId.peek());
    this.text.value = draft.text;
    this.uploads.reset(draft.files);
  }

  write(text: string): void {
    this.isAsked.value = false;
    this.text.value = text;
    this.#keep();
  }

  /** Begins with nothing: what was there has been sent. */
  clear(): void {
    this.uploads.reset([]);
    this.write('');
  }

  /** Attaches a long paste as a file. Answers false for a short one, which goes into the text. */
  takePaste(text: string): boolean {
    if (text.length <= PASTE_AS_FILE) return false;
    this.uploads.add([new File([text], 'pasted text.txt', { type: 'text/plain' })], text);
    return true;
  }

  #keep(): void {
    const { chatId, isTemporary } = this.#conversation;
    const isSecret = isTemporary.peek() ?? isTemporaryHere.peek();
    writeDraft(chatId.peek(), { text: this.text.peek(), files: this.uploads.ready }, isSecret);
  }
}

const all = new WeakMap<Conversation, Composing>();

export function composingOf(conversation: Conversation): Composing {
  const known = all.get(conversation) ?? new Composing(conversation);
  all.set(conversation, known);
  return known;
}
