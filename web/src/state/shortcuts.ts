/** Every keyboard shortcut in one table: what the page listens for, and what the list of shortcuts shows. */

export type ShortcutId =
  | 'palette'
  | 'new-chat'
  | 'temporary-chat'
  | 'search'
  | 'model'
  | 'write'
  | 'copy-last-answer'
  | 'edit-last-question'
  | 'chat-settings'
  | 'delete-chat'
  | 'shortcuts';

export interface Shortcut {
  readonly id: ShortcutId;
  readonly words: string;
  /** `mod` is ⌘ on a Mac and Ctrl elsewhere. The last word is the key. */
  readonly keys: string;
  /** A bare key: only where nobody types. */
  readonly isBare?: boolean;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { id: 'palette', words: 'Commands: chats, models, pages, acts', keys: 'mod k' },
  { id: 'new-chat', words: 'New chat', keys: 'mod shift o' },
  { id: 'temporary-chat', words: 'Temporary chat', keys: 'mod shift e' },
  { id: 'search', words: 'Search chats', keys: 'mod shift f' },
  { id: 'model', words: 'Choose a model', keys: 'mod shift l' },
  { id: 'write', words: 'Write a message', keys: 'shift Escape' },
  { id: 'edit-last-question', words: 'Edit your last message', keys: 'mod shift ArrowUp' },
  { id: 'copy-last-answer', words: 'Copy the last answer', keys: 'mod shift u' },
  { id: 'chat-settings', words: 'System prompt and sampling of this chat', keys: 'mod shift .' },
  { id: 'delete-chat', words: 'Delete this chat', keys: 'mod shift Backspace' },
  { id: 'shortcuts', words: 'This list', keys: '?', isBare: true },
];

/** What the browser reports of a key press; a KeyboardEvent is one. */
export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

export const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** The shortcut that a press means, or null. Shift changes what `.` and `?` are called: both names count. */
export function shortcutOf(press: Press, isTyping: boolean, isOnMac = isMac): ShortcutId | null {
  const hasMod = isOnMac ? press.metaKey && !press.ctrlKey : press.ctrlKey && !press.metaKey;
  const hasAnyMod = press.metaKey || press.ctrlKey;
  if (press.altKey) return null;
  const key = press.key === '>' || press.key === ':' ? '.' : press.key.length === 1 ? press.key.toLowerCase() : press.key;
  for (const { id, keys, isBare = false } of SHORTCUTS) {
    const words = keys.split(' ');
    if (words.at(-1) !== key) continue;
    if (isBare ? !hasAnyMod && !isTyping : hasMod === words.includes('mod') && hasAnyMod === hasMod && press.shiftKey === words.includes('shift')) return id;
  }
  return null;
}

const MAC: Readonly<Record<string, string>> = { mod: '⌘', shift: '⇧', Escape: 'esc', Backspace: '⌫', ArrowUp: '↑' };
const OTHER: Readonly<Record<string, string>> = { mod: 'Ctrl', shift: 'Shift', Escape: 'Esc', Backspace: 'Backspace', ArrowUp: '↑' };

/** The keys as they are written on the keyboard, one for each key. */
export function keyNames(keys: string, isOnMac = isMac): readonly string[] {
  const names = isOnMac ? MAC : OTHER;
  return keys.split(' ').map((word) => names[word] ?? (word.length === 1 ? word.toUpperCase() : word));
}

export function keysOf(id: ShortcutId): string {
  const shortcut = SHORTCUTS.find((one) => one.id === id);
  return shortcut === undefined ? '' : keyNames(shortcut.keys).join(isMac ? '' : '+');
}

const acts = new Map<ShortcutId, () => void>();

/**
 * Says what a shortcut does while somebody can do it. Answers how to take it back. Called before a frame is drawn (in a
 * layout effect), so that what one sees answers to keys at once.
 */
export function onAct(id: ShortcutId, act: () => void): () => void {
  acts.set(id, act);
  return () => {
    if (acts.get(id) === act) acts.delete(id);
  };
}

export function perform(id: ShortcutId): boolean {
  const act = acts.get(id);
  act?.();
  return act !== undefined;
}

function isTypingIn(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Listens for the whole page. A press that nobody has an act for is left to the browser. */
export function startShortcuts(): void {
  document.addEventListener('keydown', (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const id = shortcutOf(event, isTypingIn(event.target));
    if (id !== null && perform(id)) event.preventDefault();
  });
}
