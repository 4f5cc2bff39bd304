import type { Attachment } from '../api/types';
import { readStored, writeStored } from './stored';

/**
 * What was typed and attached and not sent, per chat; `new` is the one without a chat yet. Kept by the
 * browser over a reload, gone on signing out. What is written in a temporary chat is never kept.
 */
export interface Draft {
  readonly text: string;
  readonly files: readonly Attachment[];
}

const PREFIX = 'underpass.draft.';
const EMPTY: Draft = { text: '', files: [] };
/** Longer drafts would fill the little that a browser keeps for a site. */
const LONGEST_KEPT = 200_000;
const temporary = new Map<string, Draft>();

const keyOf = (chatId: string | null): string => PREFIX + (chatId ?? 'new');

function read(stored: string): Draft {
  try {
    const { text, files } = JSON.parse(stored) as Partial<Draft>;
    return { text: text ?? '', files: files ?? [] };
  } catch {
    return { text: stored, files: [] };
  }
}

export function readDraft(chatId: string | null): Draft {
  const key = keyOf(chatId);
  const stored = readStored(key);
  return temporary.get(key) ?? (stored === null ? EMPTY : read(stored));
}

export function writeDraft(chatId: string | null, draft: Draft, isTemporary = false): void {
  const key = keyOf(chatId);
  const isEmpty = draft.text === '' && draft.files.length === 0;
  if (isTemporary && !isEmpty) temporary.set(key, draft);
  else temporary.delete(key);
  writeStored(key, isEmpty || isTemporary || draft.text.length > LONGEST_KEPT ? null : JSON.stringify(draft));
}

/** A message that did not reach the hub is kept as the draft, so that a reload does not lose it. */
export function keepUnsent(chatId: string | null, content: string | null, files: readonly Attachment[] = [], isTemporary = false): void {
  if (content !== null && readDraft(chatId).text === '') writeDraft(chatId, { text: content, files }, isTemporary);
}

export function dropSentDraft(chatId: string | null, content: string | null): void {
  if (content === null) return;
  for (const id of [chatId, null]) if (readDraft(id).text === content) writeDraft(id, EMPTY);
}

export function forgetDrafts(): void {
  temporary.clear();
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  } catch {
    // Nothing could be stored, so nothing is left behind.
  }
}
