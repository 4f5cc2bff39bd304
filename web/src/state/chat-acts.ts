/** What can be done with a chat as a whole. Each change is on the page at once and taken back if the hub refuses. */
import { batch, signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { library, type ChatChange } from '../api/library';
import type { ChatSummary, Trouble } from '../api/types';
import { go, path } from '../router';
import { withChange, withoutChange } from './chat-changes';
import { readFolders } from './chat-list';
import { chatIdOf } from './conversations';
import { expectGone, isBack } from './gone';
import { changing, dropChat, putChat } from './store';
import { removeWithUndo } from './undo';

/** The chat whose title is being written in the list. */
export const renaming = signal<string | null>(null);
/** What last went wrong with a chat, by its id: its own row says so. */
export const chatTroubles = signal<ReadonlyMap<string, Trouble>>(new Map());

function noteTrouble(id: string, trouble: Trouble | null): void {
  const next = new Map(chatTroubles.peek());
  if (trouble === null) next.delete(id);
  else next.set(id, trouble);
  chatTroubles.value = next;
}

export const forgetTrouble = (id: string): void => noteTrouble(id, null);

/** The last change of each chat that the hub has not answered: the next one waits for it, or could overtake it. */
const turns = new Map<string, Promise<void>>();

async function change({ id }: ChatSummary, fields: ChatChange): Promise<void> {
  noteTrouble(id, null);
  changing.value = withChange(changing.peek(), id, fields);
  const turn = (turns.get(id) ?? Promise.resolve()).then(() => carryOut(id, fields));
  turns.set(id, turn);
  await turn;
  if (turns.get(id) === turn) turns.delete(id);
}

async function carryOut(id: string, fields: ChatChange): Promise<void> {
  let answer: ChatSummary | Trouble;
  try {
    answer = await library.change(id, fields);
  } catch (error) {
    answer = toTrouble(error);
  }
  batch(() => {
    changing.value = withoutChange(changing.peek(), id, fields);
    if ('code' in answer) noteTrouble(id, answer);
    else putChat(answer);
  });
  if (!('code' in answer) && ('folder' in fields || 'is_archived' in fields)) void readFolders();
}

/** Leaving the page is not taking back: changes that waited for their turn go together. */
export function startChatActs(): void {
  window.addEventListener('pagehide', () => {
    for (const [id, all] of changing.peek()) {
      if (all.length > 1) void library.change(id, Object.assign({}, ...all) as ChatChange).catch(() => undefined);
    }
  });
}

export async function renameChat(chat: ChatSummary, title: string): Promise<void> {
  renaming.value = null;
  const words = title.trim();
  if (words !== '' && words !== chat.title) await change(chat, { title: words });
}

export const pinChat = (chat: ChatSummary): Promise<void> => change(chat, { is_pinned: !chat.is_pinned });
export const moveChat = (chat: ChatSummary, folder: string | null): Promise<void> => change(chat, { folder });

/** An archived chat is no longer pinned: the two places would contradict each other. */
export const archiveChat = (chat: ChatSummary): Promise<void> =>
  change(chat, chat.is_archived ? { is_archived: false } : { is_archived: true, ...(chat.is_pinned ? { is_pinned: false } : {}) });

export function removeChat(chat: ChatSummary): void {
  removeWithUndo(chat.id, 'Chat deleted.', async (keepalive) => {
    expectGone(chat.id);
    await library.remove(chat.id, keepalive);
    dropChat(chat.id);
  });
  if (chatIdOf(path.peek()) === chat.id) go('/', { replace: true });
}

/** Has a chat back that another page deleted; throws what the hub says when it is too late. */
export async function restoreChat(id: string): Promise<void> {
  putChat(await library.restore(id));
  isBack(id);
}
