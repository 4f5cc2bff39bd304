import { expect, test } from 'vitest';
import { archived, folderNames, groupChats } from './chat-groups';
import { chat } from './samples';

const now = Date.parse('2026-11-20T12:00:00Z');
const today = '2026-11-20T11:00:00Z';
const earlier = '2026-11-20T10:00:00Z';

test('pinned come first, then folders by name, then days', () => {
  const all = [
    chat({ id: 'loose', updated_at: today }),
    chat({ id: 'b', folder: 'Work', updated_at: today }),
    chat({ id: 'a', folder: 'home', updated_at: today }),
    chat({ id: 'p', is_pinned: true, folder: 'Work', updated_at: earlier }),
  ];
  const groups = groupChats(all, [], now);
  expect(groups.map(({ title }) => title)).toEqual(['Pinned', 'home', 'Work', 'Today']);
  expect(groups[2]?.chats.map(({ id }) => id)).toEqual(['b']);
});

test('the newest stands first in its group, and archived ones in none', () => {
  const all = [chat({ id: 'old', updated_at: earlier }), chat({ id: 'new', updated_at: today }), chat({ id: 'away', is_archived: true, updated_at: today })];
  const groups = groupChats(all, [], now);
  expect(groups.map(({ chats }) => chats.map(({ id }) => id))).toEqual([['new', 'old']]);
  expect(archived(all).map(({ id }) => id)).toEqual(['away']);
});

test('a folder counts the chats that are not read yet, and an empty one is gone', () => {
  const folders = [{ name: 'Work', chats: 7 }, { name: 'Empty', chats: 0 }];
  const groups = groupChats([chat({ folder: 'Work', updated_at: today })], folders, now);
  expect(groups.map(({ title, count }) => [title, count])).toEqual([['Work', 7]]);
  expect(folderNames(folders, [])).toEqual(['Work']);
});
