/** The library of one's chats: lists, search, folders, shares, presets, preferences, export and import. */
import { call, send } from './client';
import { at } from './hub';
import type { ChatSummary, Folder, Page, Preferences, Preset, Share, SharedChat, SharedWithMe } from './types';

export interface ListOptions {
  readonly q?: string;
  readonly folder?: string;
  readonly archived?: 'true' | 'false' | 'all';
  readonly after?: string;
  readonly limit?: number;
}

export type ChatChange = Partial<Pick<ChatSummary, 'title' | 'folder' | 'is_pinned' | 'is_archived'>>;

function query(options: ListOptions): string {
  const all = Object.entries(options).map(([name, value]): [string, string] => [name, String(value)]);
  return new URLSearchParams(all).toString();
}

export const library = {
  list: (options: ListOptions, signal?: AbortSignal) =>
    call<Page<ChatSummary>>('GET', `${at('chats')}?${query(options)}`, { signal }),
  folders: () => call<Page<Folder>>('GET', at('chats', 'folders')),
  /** Outlives the page: a change that was shown is made. */
  change: (id: string, change: ChatChange) => call<ChatSummary>('PATCH', at('chats', id), { body: change, keepalive: true }),
  remove: (id: string, keepalive = false) => call<null>('DELETE', at('chats', id), { keepalive }),
  restore: (id: string) => call<ChatSummary>('POST', at('chats', id, 'restore')),
};

export type ExportFormat = 'markdown' | 'json';

export const exchange = {
  /** Addresses of files: the browser downloads them itself. */
  exportPath: (id: string, format: ExportFormat) => `${at('chats', id, 'export')}?format=${format}`,
  exportAllPath: () => at('chats', 'export'),
  importFile: (file: Blob, format: ExportFormat) =>
    send<Page<ChatSummary>>('POST', at('chats', 'import'), file, format === 'json' ? 'application/json' : 'text/markdown'),
};

export const shares = {
  get: (chatId: string) => call<Share>('GET', at('chats', chatId, 'share')),
  put: (chatId: string, users: readonly string[]) => call<Share>('PUT', at('chats', chatId, 'share'), { body: { users } }),
  remove: (chatId: string) => call<null>('DELETE', at('chats', chatId, 'share')),
  withMe: () => call<Page<SharedWithMe>>('GET', at('shares')),
  read: (id: string) => call<SharedChat>('GET', at('shares', id)),
};

export type PresetBody = Omit<Preset, 'id'>;

export const presets = {
  list: () => call<Page<Preset>>('GET', at('presets')),
  create: (body: PresetBody) => call<Preset>('POST', at('presets'), { body }),
  change: (id: string, body: Partial<PresetBody>) => call<Preset>('PATCH', at('presets', id), { body }),
  remove: (id: string, keepalive = false) => call<null>('DELETE', at('presets', id), { keepalive }),
};

export const preferences = {
  get: () => call<Preferences>('GET', at('me', 'preferences')),
  change: (change: Partial<Preferences>) => call<Preferences>('PATCH', at('me', 'preferences'), { body: change }),
};
