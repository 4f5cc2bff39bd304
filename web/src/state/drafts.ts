import { readStored, writeStored } from './stored';

/** What was typed and not sent, per chat; `new` is the one without a chat yet. Gone on signing out. */
const PREFIX = 'underpass.draft.';

export function readDraft(chatId: string | null): string {
  return readStored(PREFIX + (chatId ?? 'new')) ?? '';
}

export function writeDraft(chatId: string | null, text: string): void {
  writeStored(PREFIX + (chatId ?? 'new'), text === '' ? null : text);
}

/** A message that did not reach the hub is kept as the draft, so that a reload does not lose it. */
export function keepUnsent(chatId: string | null, content: string | null): void {
  if (content !== null && readDraft(chatId) === '') writeDraft(chatId, content);
}

export function dropSentDraft(chatId: string | null, content: string | null): void {
  if (content === null) return;
  for (const id of [chatId, null]) if (readDraft(id) === content) writeDraft(id, '');
}

export function forgetDrafts(): void {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  } catch {
    // Nothing could be stored, so nothing is left behind.
  }
}
