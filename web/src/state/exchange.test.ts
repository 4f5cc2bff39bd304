import { expect, test } from 'vitest';
import { formatOf } from './exchange';

test('a file is read by its name or by what the browser takes it for', () => {
  expect(formatOf('chats.JSON', '')).toBe('json');
  expect(formatOf('chats', 'application/json')).toBe('json');
  expect(formatOf('chat.md', 'text/markdown')).toBe('markdown');
  expect(formatOf('chat.md', '')).toBe('markdown');
});
