import { call } from './client';
import { at } from './hub';
import type { Page, Usage } from './types';

export type Apart = 'day' | 'total' | 'user' | 'provider' | 'model' | 'key' | 'session';

export interface UsageQuery {
  /** The first day, in UTC, `2026-11-23`. */
  readonly since: string;
  readonly by: readonly Apart[];
  /** All users: for admins. */
  readonly everyone: boolean;
}

const query = ({ since, by, everyone }: UsageQuery): string =>
  new URLSearchParams([['since', since], ...by.map((one) => ['by', one]), ['everyone', String(everyone)]]).toString();

export const usage = {
  sums: (asked: UsageQuery) => call<Page<Usage>>('GET', `${at('usage')}?${query(asked)}`),
  csvPath: (asked: UsageQuery) => `${at('usage.csv')}?${query(asked)}`,
};
