import { sendKey } from '../state/preferences';

/** Safari ends a composition before the Enter that took the word: within this time it is that Enter. */
const COMPOSED_MS = 50;
let composedAt = -COMPOSED_MS;

export function noteComposed(event: Event): void {
  composedAt = event.timeStamp;
}

/** The key that sends, as this person prefers it; never the Enter that takes a word from an input method. */
export function isSendKey(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey) return false;
  if (event.isComposing || event.timeStamp - composedAt < COMPOSED_MS) return false;
  const hasModifier = event.ctrlKey || event.metaKey;
  return sendKey.value === 'ctrl_enter' ? hasModifier : true;
}
