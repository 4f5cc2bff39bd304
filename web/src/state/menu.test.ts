import { Pin } from 'lucide';
import { expect, test } from 'vitest';
import { lineBeginning, menuPlace } from './menu';

const items = ['Rename', 'Pin', 'Delete', 'Restore'].map((words) => ({ words, icon: Pin }));

test('a letter goes to the next line that begins with it, and around', () => {
  expect(lineBeginning(items, 'r', 0)).toBe(3);
  expect(lineBeginning(items, 'R', 3)).toBe(0);
  expect(lineBeginning(items, 'x', 0)).toBeNull();
});

const screen = { width: 400, height: 600 };

test('a menu opens below its anchor, or above where there is no room, and stays in the window', () => {
  const size = { width: 200, height: 240 };
  expect(menuPlace({ top: 100, bottom: 130, left: 20, right: 50 }, size, screen)).toEqual({ left: 20, top: 134 });
  expect(menuPlace({ top: 500, bottom: 530, left: 380, right: 400 }, size, screen)).toEqual({ left: 196, top: 256 });
});
