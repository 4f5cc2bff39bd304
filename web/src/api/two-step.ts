/** A code besides the password. */
import { call } from './client';
import { at } from './hub';
import type { RecoveryCodes, TwoStep, TwoStepSecret } from './types';

export const twoStep = {
  show: () => call<TwoStep>('GET', at('me', 'two-step')),
  begin: (password: string) => call<TwoStepSecret>('POST', at('me', 'two-step'), { body: { password } }),
  confirm: (code: string) => call<RecoveryCodes>('POST', at('me', 'two-step', 'confirm'), { body: { code } }),
  newCodes: (code: string) => call<RecoveryCodes>('POST', at('me', 'two-step', 'recovery-codes'), { body: { code } }),
  off: (code: string) => call<null>('POST', at('me', 'two-step', 'off'), { body: { code } }),
};
