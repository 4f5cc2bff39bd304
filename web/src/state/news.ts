import type { Message } from '../api/types';

/** What happened to the messages of a chat in another page: one appeared or changed, or some were removed. */
export type MessageNews =
  | { readonly chat_id: string; readonly message: Message }
  | { readonly chat_id: string; readonly removed: readonly string[] };

let listener: (news: MessageNews) => void = () => undefined;

/** Conversations listen; the store, which they are built on, tells. */
export function hearMessageNews(hear: (news: MessageNews) => void): void {
  listener = hear;
}

export function tellMessageNews(news: MessageNews): void {
  listener(news);
}
