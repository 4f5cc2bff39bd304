import { expect, test } from 'vitest';
import { keyNames, onAct, perform, shortcutOf, SHORTCUTS, startShortcuts, type Press } from './shortcuts';

const press = (key: string, ...held: readonly ('ctrl' | 'meta' | 'shift' | 'alt')[]): Press => ({
  key,
  ctrlKey: held.includes('ctrl'),
  metaKey: held.includes('meta'),
  shiftKey: held.includes('shift'),
  altKey: held.includes('alt'),
});

test('mod is Ctrl here and the command key on a Mac, and never both', () => {
  expect(shortcutOf(press('k', 'ctrl'), true, false)).toBe('palette');
  expect(shortcutOf(press('k', 'meta'), true, true)).toBe('palette');
  expect(shortcutOf(press('k', 'ctrl'), true, true)).toBeNull();
  expect(shortcutOf(press('k', 'ctrl', 'meta'), true, false)).toBeNull();
  expect(shortcutOf(press('k'), false, false)).toBeNull();
});

test('shift and the names that it gives to keys', () => {
  expect(shortcutOf(press('O', 'ctrl', 'shift'), true, false)).toBe('new-chat');
  expect(shortcutOf(press('o', 'ctrl'), true, false)).toBeNull();
  expect(shortcutOf(press('>', 'ctrl', 'shift'), true, false)).toBe('chat-settings');
  expect(shortcutOf(press('Escape', 'shift'), true, false)).toBe('write');
  expect(shortcutOf(press('Escape'), true, false)).toBeNull();
});

test('a bare key means something only where nobody types', () => {
  expect(shortcutOf(press('?', 'shift'), false, false)).toBe('shortcuts');
  expect(shortcutOf(press('?', 'shift'), true, false)).toBeNull();
  expect(shortcutOf(press('?', 'alt'), false, false)).toBeNull();
});

test('no two shortcuts have the same keys', () => {
  expect(new Set(SHORTCUTS.map(({ keys }) => keys)).size).toBe(SHORTCUTS.length);
});

test('keys are named as they are written on the keyboard', () => {
  expect(keyNames('mod shift o', false)).toEqual(['Ctrl', 'Shift', 'O']);
  expect(keyNames('Enter', false)).toEqual(['Enter']);
  expect(keyNames('mod k', true)).toEqual(['⌘', 'K']);
});

test('a press does its act, and without one it is left to the browser', () => {
  startShortcuts();
  const fire = (): boolean => document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, cancelable: true }));
  expect(fire()).toBe(true);
  let count = 0;
  const takeBack = onAct('palette', () => (count += 1));
  expect(fire()).toBe(false);
  takeBack();
  expect(perform('palette')).toBe(false);
  expect(count).toBe(1);
});
