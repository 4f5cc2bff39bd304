/** What somebody may change about themselves. */
import { call } from './client';
import { at } from './hub';
import type { Account, Page, SignIn } from './types';

export const me = {
  rename: (displayName: string) => call<Account>('PATCH', at('me'), { body: { display_name: displayName } }),
  setPassword: (current: string, next: string) => call<null>('POST', at('me', 'password'), { body: { current, new: next } }),
  signIns: () => call<Page<SignIn>>('GET', at('me', 'sign-ins')),
  endSignIn: (id: string) => call<null>('DELETE', at('me', 'sign-ins', id)),
};
