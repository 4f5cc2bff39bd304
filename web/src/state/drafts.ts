import { readStored, writeStored } from './stored';

/** What was typed and not sent, per chat; `new` is the one without a chat yet. Gone on signing out. */
const PREFIX = 'underpass.draft.';

export function readDraft(chatId: string | null): string {
  return readStored(PREFIX + (chatId ?? 'new')) ?? '';
}

export function writeDraft(chatId: string | null, text: string): void {
  writeStored(PREFIX + (chatId ?? 'new'), text === '' ? null : text);
}

export function forgetDrafts(): void {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  } catch {
    // Nothing could be stored, so nothing is left behind.
  }
}
