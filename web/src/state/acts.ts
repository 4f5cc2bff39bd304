import { signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { chats as chatsApi, sessions as api } from '../api/hub';
import type { ChatSummary, Session, Trouble } from '../api/types';
import { chatIdOf } from './conversations';
import { dropChat, putSession } from './store';
import { removeWithUndo } from './undo';
import { go, path } from '../router';

/** What last went wrong with a session, by its id, so that its own page says so. */
export const sessionTroubles = signal<ReadonlyMap<string, Trouble>>(new Map());

function noteTrouble(id: string, trouble: Trouble | null): void {
  const next = new Map(sessionTroubles.peek());
  if (trouble === null) next.delete(id);
  else next.set(id, trouble);
  sessionTroubles.value = next;
}

async function attempt(id: string, act: () => Promise<Session>): Promise<void> {
  noteTrouble(id, null);
  try {
    putSession(await act());
  } catch (error) {
    noteTrouble(id, toTrouble(error));
  }
}

export const restartSession = (id: string): Promise<void> => attempt(id, () => api.restart(id));
export const stopSession = (id: string): Promise<void> => attempt(id, () => api.stop(id));

export function removeSession(session: Session): void {
  removeWithUndo(session.id, `Session ${session.name} removed.`, (keepalive) => api.remove(session.id, keepalive));
  if (path.peek() === `/sessions/${session.id}`) go('/sessions', { replace: true });
}

export function removeChat(chat: ChatSummary): void {
  removeWithUndo(chat.id, 'Chat deleted.', async (keepalive) => {
    await chatsApi.remove(chat.id, keepalive);
    dropChat(chat.id);
  });
  if (chatIdOf(path.peek()) === chat.id) go('/', { replace: true });
}
