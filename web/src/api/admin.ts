/** What only admins may ask. */
import { call } from './client';
import { at } from './hub';
import type { AnySession, AnyTunnel, AuditEntry, Group, Limits, Page, Provider, Setting, User } from './types';

/** The most of a list that the hub gives at once: all of it, for a choice or names. */
export const MOST_AT_ONCE = 1000;

const part = (path: string, after: string | null, limit = 100, more: Readonly<Record<string, string>> = {}): string =>
  `${path}?${new URLSearchParams({ limit: String(limit), ...(after === null ? {} : { after }), ...more }).toString()}`;

export interface UserChange {
  readonly display_name?: string;
  readonly email?: string;
  readonly password?: string;
  readonly is_admin?: boolean;
  readonly is_disabled?: boolean;
}

export interface NewUser {
  readonly name: string;
  readonly password: string | null;
  readonly display_name: string | null;
  readonly email: string | null;
  readonly is_admin: boolean;
}

export const people = {
  list: (after: string | null, limit?: number) => call<Page<User>>('GET', part(at('users'), after, limit)),
  add: (user: NewUser) => call<User>('POST', at('users'), { body: user }),
  change: (id: string, body: UserChange) => call<User>('PATCH', at('users', id), { body }),
  /** `confirm`: one's own name, to remove oneself. */
  remove: (id: string, confirm: string | null) => call<null>('DELETE', `${at('users', id)}${confirm === null ? '' : `?confirm=${encodeURIComponent(confirm)}`}`),
  resetTwoStep: (id: string) => call<null>('DELETE', at('users', id, 'two-step')),
  exportPath: (id: string) => at('users', id, 'export'),
};

export const groups = {
  list: (after: string | null, limit?: number) => call<Page<Group>>('GET', part(at('groups'), after, limit)),
  add: (name: string) => call<Group>('POST', at('groups'), { body: { name } }),
  change: (id: string, body: { readonly name?: string; readonly members?: readonly string[] }) => call<Group>('PATCH', at('groups', id), { body }),
  remove: (id: string) => call<null>('DELETE', at('groups', id)),
};

export const limits = {
  get: (kind: 'users' | 'groups', id: string) => call<Limits>('GET', at(kind, id, 'limits')),
  put: (kind: 'users' | 'groups', id: string, body: Limits) => call<Limits>('PUT', at(kind, id, 'limits'), { body }),
};

export interface AuditFilters {
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly since: string;
  /** Before this time. */
  readonly until: string;
}

function filled(filters: AuditFilters): Readonly<Record<string, string>> {
  const given = Object.entries(filters).filter(([, text]) => text !== '') as [string, string][];
  return Object.fromEntries(given);
}

export const everybodys = {
  sessions: (after: string | null) => call<Page<AnySession>>('GET', part(at('admin', 'sessions'), after)),
  stopSession: (id: string) => call<AnySession>('POST', at('admin', 'sessions', id, 'stop')),
  tunnels: () => call<Page<AnyTunnel>>('GET', `${at('tunnels')}?all=true`),
  providers: () => call<Page<Provider>>('GET', `${at('providers')}?everyone=true`),
  audit: (filters: AuditFilters, after: string | null) => call<Page<AuditEntry>>('GET', part(at('audit'), after, 100, filled(filters))),
  auditPath: (filters: AuditFilters) => `${at('audit.jsonl')}?${new URLSearchParams(filled(filters)).toString()}`,
  settings: () => call<Page<Setting>>('GET', at('admin', 'settings')),
};
