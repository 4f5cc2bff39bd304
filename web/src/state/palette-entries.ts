import {
  BookOpen, Bot, ChartNoAxesColumn, Download, Folder, Ghost, Keyboard, LogOut, MessageSquare, Monitor, Moon, Network, Plug, Plus, Server, Settings, Share2, ShieldCheck, SquarePen, Sun, Terminal,
} from 'lucide';
import type { IconNode } from 'lucide';
import { exchange } from '../api/library';
import type { ChatSummary } from '../api/types';
import { go, path } from '../router';
import { filled } from '../words';
import { newestFirst } from './chat-groups';
import { chatMenu } from './chat-menu';
import { choose } from './choice';
import { chatIdOf } from './conversations';
import { favourites, preferTheme } from './preferences';
import { detailOf, pickerGroups, type PickerView } from './picker';
import type { Entry } from './palette';
import { hitPath } from './search';
import { keysOf } from './shortcuts';
import { account, chats, chatsById, leave, providers } from './store';
import { TEMPORARY } from './temporary';
import { openConnect, openShortcuts } from './ui';

const ADMIN_PAGES = [
  ['users', 'users'], ['groups', 'groups'], ['providers', 'providers'], ['tunnels', 'tunnels'], ['sessions', 'sessions'], ['audit', 'audit'], ['settings', 'settings in force'],
] as const;

function pages(): readonly Entry[] {
  const page = (title: string, href: string, icon: IconNode, also = ''): Entry => ({ id: `page ${href}`, kind: 'Pages', title, also, icon, act: () => go(href) });
  return [
    page('Sessions', '/sessions', Server, 'jobs'),
    page('Start a session', '/sessions/new', Plus, 'launch job template'),
    page('Clusters', '/clusters', Network, 'slurm pbs machines join partitions'),
    page('Providers', '/providers', Plug, 'endpoints models'),
    page('Connect tools', '/tools', Terminal, 'programs openai curl claude code editor settings'),
    page('Usage', '/usage', ChartNoAxesColumn, 'tokens requests statistics costs charts'),
    page('Settings', '/settings', Settings, 'theme keys account preferences presets import export'),
    ...(account.value?.is_admin === true ? ADMIN_PAGES.map(([name, words]) => page(`Admin: ${words}`, `/admin/${name}`, ShieldCheck, 'manage hub')) : []),
    page('Shared with you', '/shared', Share2, 'links'),
    page('Manual', '/manual', BookOpen, 'help documentation'),
  ];
}

/** What can be done with the chat in view: the lines of its own menu. */
function ofThisChat(): readonly Entry[] {
  const chat = chatsById.value.get(chatIdOf(path.value) ?? '');
  if (chat === undefined) return [];
  return chatMenu(chat).map(({ words, full, icon, act, href }) => ({
    id: `chat ${words}`,
    kind: 'Acts',
    title: full ?? words,
    icon,
    act: act ?? (() => window.location.assign(href ?? '/')),
  }));
}

function acts(): readonly Entry[] {
  const act = (title: string, icon: IconNode, run: () => void, more: Partial<Entry> = {}): Entry => ({ id: `act ${title}`, kind: 'Acts', title, icon, act: run, ...more });
  return [
    act('New chat', SquarePen, () => go('/'), { detail: keysOf('new-chat') }),
    act('Temporary chat', Ghost, () => go(TEMPORARY), { detail: keysOf('temporary-chat'), also: 'private incognito nothing stored' }),
    act('Connect a model', Plus, openConnect, { also: 'tunnel session start' }),
    ...ofThisChat(),
    act('Keyboard shortcuts', Keyboard, openShortcuts, { detail: keysOf('shortcuts'), also: 'help keys' }),
    act('Look: light', Sun, () => void preferTheme('light'), { also: 'theme' }),
    act('Look: dark', Moon, () => void preferTheme('dark'), { also: 'theme night' }),
    act('Look: as this device', Monitor, () => void preferTheme('system'), { also: 'theme system' }),
    act('Export all chats', Download, () => window.location.assign(exchange.exportAllPath()), { also: 'backup json save' }),
    act('Sign out', LogOut, () => void leave()),
  ];
}

function models(now: number): readonly Entry[] {
  const view: PickerView = { query: '', now, favourites: favourites.value, revivalWords: () => null };
  const seen = new Set<string>();
  return pickerGroups(providers.value, view).flatMap(({ options }) =>
    options.flatMap(({ modelId, name, provider }): readonly Entry[] => {
      if (modelId === null || seen.has(modelId)) return [];
      seen.add(modelId);
      const detail = [provider.name, provider.status, detailOf(provider, now)].filter((part) => part !== '').join(' · ');
      return [{ id: `model ${modelId}`, kind: 'Models', title: name, detail, icon: Bot, act: () => choose(modelId) }];
    }),
  );
}

const titleOf = (chat: ChatSummary): string => filled(chat.title) ?? 'New chat';

function chatEntries(): readonly Entry[] {
  return [...chats.value].sort(newestFirst).map((chat) => ({
    id: chat.id,
    kind: 'Chats',
    title: titleOf(chat),
    ...(chat.folder === null ? {} : { detail: chat.folder }),
    icon: chat.folder === null ? MessageSquare : Folder,
    act: () => go(`/chat/${chat.id}`),
  }));
}

/** What the hub's search found in the text of chats; their titles are among the chats already. */
function said(hits: readonly ChatSummary[]): readonly Entry[] {
  return hits
    .filter(({ match }) => match !== null && match.message_id !== null)
    .map((chat) => ({ id: `said ${chat.id}`, kind: 'In what was said', title: titleOf(chat), detail: chat.match?.text ?? '', icon: MessageSquare, isFound: true, act: () => go(hitPath(chat)) }));
}

/** Everything that the palette can lead to now. */
export function paletteEntries(now: number, hits: readonly ChatSummary[]): readonly Entry[] {
  return [...acts(), ...models(now), ...chatEntries(), ...pages(), ...said(hits)];
}
