import { expect, test } from 'vitest';
import { withChange, withChanges, withoutChange } from './chat-changes';
import { chat } from './samples';

const chats = new Map([['cht_1', chat()]]);
const pin = { is_pinned: true };
const unpin = { is_pinned: false };
const rename = { title: 'Tea' };

test('what the hub has not answered holds over what it said, the last change last', () => {
  const both = withChange(withChange(withChange(new Map(), 'cht_1', rename), 'cht_1', pin), 'cht_1', unpin);
  expect(withChanges(chats, both).get('cht_1')).toEqual(chat({ title: 'Tea', is_pinned: false }));
  const left = withoutChange(withoutChange(both, 'cht_1', rename), 'cht_1', unpin);
  expect(withChanges(chats, left).get('cht_1')).toEqual(chat({ is_pinned: true }));
});

test('when all is answered the chats are the hub\'s own, the same map', () => {
  const one = withChange(new Map(), 'cht_1', pin);
  expect(withChanges(chats, withoutChange(one, 'cht_1', pin))).toBe(chats);
  expect(withChanges(chats, withChange(new Map(), 'none', pin))).toEqual(chats);
});
