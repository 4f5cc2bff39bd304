import { expect, test } from 'vitest';
import { askedTrouble, issuerPath, nextOf } from './doors';

const at = (path: string): URL => new URL(path, 'https://hub.example.org');

test('one comes back to where one was, but not to a door', () => {
  expect(nextOf(at('/chat/cht_1?a=b'))).toBe('/chat/cht_1?a=b');
  expect(nextOf(at('/connect?code=ABCD-EFGH'))).toBe('/connect?code=ABCD-EFGH');
  expect(nextOf(at('/sign-in?trouble=x'))).toBe('/');
  expect(nextOf(at('/setup?token=secret'))).toBe('/');
});

test('the page to come back to is one value of the address', () => {
  expect(issuerPath('campus', '/connect?code=A&b=c')).toBe('/api/auth/openid/campus?next=%2Fconnect%3Fcode%3DA%26b%3Dc');
});

test('the hub is asked for the words of a trouble on the sign-in page alone', () => {
  expect(askedTrouble(at('/sign-in?trouble=openid_state&issuer=campus'))).toBe('?trouble=openid_state&issuer=campus');
  expect(askedTrouble(at('/sign-in'))).toBe('');
  expect(askedTrouble(at('/chat/x?trouble=openid_state'))).toBe('');
});
