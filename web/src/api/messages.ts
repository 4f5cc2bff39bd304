/** What one does with the messages of a chat, and with the files that go with them. */
import { call } from './client';
import { at } from './hub';
import type { Chat, ChatSummary, ReadChat, Run, Sent } from './types';

export type Settings = Readonly<Record<string, unknown>>;

export interface SendBody {
  /** Null asks for another answer to the message `parent_id`. */
  readonly content: string | null;
  readonly model: string;
  /** The message above; null begins a new conversation in the chat. */
  readonly parent_id: string | null;
  /** Ids of files. */
  readonly attachments?: readonly string[];
}

export interface NewChat {
  readonly model: string;
  readonly settings: Settings;
  readonly is_temporary: boolean;
}

/** What the page of a chat changes; names and folders are the library's. */
export interface ChatState {
  readonly settings?: Settings;
  readonly head_id?: string;
}

export const messages = {
  chat: (id: string) => call<ReadChat>('GET', at('chats', id)),
  createChat: (body: NewChat) => call<ChatSummary>('POST', at('chats'), { body }),
  changeChat: (id: string, body: ChatState, keepalive = false) => call<ChatSummary>('PATCH', at('chats', id), { body, keepalive }),
  send: (id: string, body: SendBody) => call<Sent>('POST', at('chats', id, 'messages'), { body }),
  goOn: (id: string, messageId: string, model: string) =>
    call<Sent>('POST', at('chats', id, 'messages', messageId, 'continue'), { body: { model } }),
  remove: (id: string, messageId: string, keepalive = false) =>
    call<null>('DELETE', at('chats', id, 'messages', messageId), { keepalive }),
  fork: (id: string, messageId: string) => call<Chat>('POST', at('chats', id, 'fork'), { body: { message_id: messageId } }),
  stop: (runId: string) => call<Run>('POST', at('runs', runId, 'stop')),
  move: (runId: string, model: string) => call<Run>('POST', at('runs', runId, 'move'), { body: { model } }),
};
