import { expect, test } from 'vitest';
import { headersIn } from './headers-in';

test('a header a line, with colons in its value', () => {
  expect(headersIn('X-Team: physics\n\n  X-Route:http://a:1/b \nX-Empty')).toEqual({ 'X-Team': 'physics', 'X-Route': 'http://a:1/b', 'X-Empty': '' });
});
