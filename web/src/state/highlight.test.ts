import { expect, test } from 'vitest';
import { piecesOf, spansIn } from './highlight';

const marked = (text: string, spans: readonly (readonly [number, number])[]): string =>
  piecesOf(text, spans).map((piece) => (piece.isHit ? `[${piece.text}]` : piece.text)).join('');

test('ranges count code points', () => {
  expect(marked('🐍 snake oil', [[2, 7]])).toBe('🐍 [snake] oil');
});

test('ranges that overlap, lie outside or are out of order lose no text', () => {
  expect(marked('abcdef', [[3, 99], [0, 2], [1, 4]])).toBe('[ab][cd][ef]');
});

test('a title is found by all of its words, in any order', () => {
  expect(marked('Fan curves of the A100', spansIn('Fan curves of the A100', 'a100 fan'))).toBe('[Fan] curves of the [A100]');
  expect(spansIn('Fan curves', 'fan gpu')).toEqual([]);
});
