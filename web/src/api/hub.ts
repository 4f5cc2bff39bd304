/** The hub's resources, one small function each. */
import { call } from './client';
import type {
  Account, AuthState, Cluster, DeviceRequest, Key, LogLine, Page, Session, Template, Tunnel,
} from './types';

export const at = (...parts: readonly string[]): string => `/api/${parts.map(encodeURIComponent).join('/')}`;

export const auth = {
  /** `asked`: the query that names a failed sign-in, whose words are wanted. */
  state: (asked = '') => call<AuthState>('GET', `${at('auth', 'state')}${asked}`),
  /** `code`: the second step, when the hub has asked for it. */
  signIn: (name: string, password: string, code?: string) =>
    call<null>('POST', at('auth', 'sign-in'), { body: { name, password, ...(code === undefined ? {} : { code }) } }),
  signOut: () => call<null>('POST', at('auth', 'sign-out')),
  setUp: (token: string, name: string, password: string) =>
    call<null>('POST', at('auth', 'setup'), { body: { token, name, password } }),
  me: () => call<Account>('GET', at('me')),
  device: (code: string) => call<DeviceRequest>('GET', at('auth', 'device', code)),
  approve: (code: string) => call<unknown>('POST', at('auth', 'device', code, 'approve')),
  deny: (code: string) => call<unknown>('POST', at('auth', 'device', code, 'deny')),
};

export interface StartBody {
  readonly template: string;
  readonly name?: string;
  readonly cluster?: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly openai: boolean;
}

export const sessions = {
  get: (id: string) => call<Session>('GET', at('sessions', id)),
  start: (body: StartBody) => call<Session>('POST', at('sessions'), { body }),
  stop: (id: string) => call<Session>('POST', at('sessions', id, 'stop')),
  restart: (id: string) => call<Session>('POST', at('sessions', id, 'restart')),
  keep: (id: string) => call<Session>('POST', at('sessions', id, 'keep')),
  renew: (id: string) => call<Session>('POST', at('sessions', id, 'renew')),
  remove: (id: string, keepalive = false) => call<null>('DELETE', at('sessions', id), { keepalive }),
  logs: (id: string, tail: number) => call<Page<LogLine>>('GET', `${at('sessions', id, 'logs')}?tail=${tail}`),
  logPath: (id: string) => `${at('sessions', id, 'logs')}?follow=true&tail=500`,
  templates: (cluster: string) =>
    call<Page<Template>>('GET', `${at('templates')}${cluster === '' ? '' : `?cluster=${encodeURIComponent(cluster)}`}`),
  clusters: () => call<Page<Cluster>>('GET', at('clusters')),
  removeCluster: (id: string) => call<null>('DELETE', at('clusters', id)),
};

export const tunnels = {
  setOpenai: (id: string, openai: boolean) => call<Tunnel>('PATCH', at('tunnels', id), { body: { openai } }),
  stop: (id: string) => call<Tunnel>('POST', at('tunnels', id, 'stop')),
  start: (id: string) => call<Tunnel>('POST', at('tunnels', id, 'start')),
};

export interface NewKey {
  readonly key: Key;
  readonly secret: string;
}

export interface KeyIn {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expires_at: string | null;
  /** Null: all models. */
  readonly model_allow: readonly string[] | null;
  readonly requests_per_minute: number | null;
  readonly tokens_per_day: number | null;
}

export const keys = {
  list: () => call<Page<Key>>('GET', at('keys')),
  create: (body: KeyIn) => call<NewKey>('POST', at('keys'), { body }),
  revoke: (id: string) => call<null>('DELETE', at('keys', id)),
};
