import './sidebar.css';
import { useComputed, useSignal } from '@preact/signals';
import { BookOpen, Plug, Plus, Search, Server, Settings, SquarePen, Trash2, X } from 'lucide';
import type { IconNode } from 'lucide';
import { useEffect, useRef } from 'preact/hooks';
import type { ChatSummary } from '../api/types';
import { path } from '../router';
import { removeChat } from '../state/acts';
import { now } from '../state/clock';
import { chatIdOf } from '../state/conversations';
import { account, chats, chatsTrouble, loadChats, sessions, world } from '../state/store';
import { isDrawerOpen, openConnect } from '../state/ui';
import { dayGroup, filled } from '../words';
import { Icon, Mark } from './icon';
import { TroubleNote } from './trouble';

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

function ChatRow({ chat }: { readonly chat: ChatSummary }) {
  const title = filled(chat.title) ?? 'New chat';
  const isHere = chatIdOf(path.value) === chat.id;
  return (
    <li class={isHere ? 'chat-row is-here' : 'chat-row'}>
      <a href={`/chat/${chat.id}`} aria-current={isHere ? 'page' : undefined} title={title}>{title}</a>
      <button type="button" class="icon-button" aria-label={`Delete ${title}`} title="Delete" onClick={() => removeChat(chat)}>
        <Icon of={Trash2} size={15} />
      </button>
    </li>
  );
}

function groupByDay(all: readonly ChatSummary[], at: number): ReadonlyMap<string, readonly ChatSummary[]> {
  const groups = new Map<string, ChatSummary[]>();
  for (const chat of all) {
    const name = dayGroup(chat.updated_at, at);
    groups.set(name, [...(groups.get(name) ?? []), chat]);
  }
  return groups;
}

function Chats({ query }: { readonly query: string }) {
  const found = useComputed(() => chats.value);
  const words = query.trim().toLowerCase();
  const all = words === '' ? found.value : found.value.filter((chat) => chat.title.toLowerCase().includes(words));
  if (chatsTrouble.value !== null) {
    return (
      <TroubleNote trouble={chatsTrouble.value}>
        <button type="button" class="button is-small" onClick={() => void loadChats()}>Try again</button>
      </TroubleNote>
    );
  }
  if (all.length === 0) {
    const empty = words !== '' ? 'No chat has these words in its title.' : world.value.isKnown ? 'Your chats will be listed here.' : '';
    return <p class="sidebar-empty">{empty}</p>;
  }
  return (
    <>
      {[...groupByDay(all, now.value)].map(([day, rows]) => (
        <section key={day} aria-label={day}>
          <h2 class="sidebar-day">{day}</h2>
          <ul>{rows.map((chat) => <ChatRow key={chat.id} chat={chat} />)}</ul>
        </section>
      ))}
    </>
  );
}

function NavLink({ href, icon, children }: { readonly href: string; readonly icon: IconNode; readonly children: string }) {
  const isHere = path.value === href || path.value.startsWith(`${href}/`);
  return (
    <a class={isHere ? 'nav-link is-here' : 'nav-link'} href={href} aria-current={path.value === href ? 'page' : undefined}>
      <Icon of={icon} size={17} />
      {children}
      {href === '/sessions' && <RunningCount />}
    </a>
  );
}

function RunningCount() {
  const count = sessions.value.filter(({ status }) => status === 'running').length;
  return count === 0 ? null : <span class="nav-count">{`${count} running`}</span>;
}

function Foot() {
  return (
    <nav class="sidebar-foot" aria-label="Pages">
      <button type="button" class="nav-link is-connect" onClick={openConnect}>
        <Icon of={Plus} size={17} /> Connect a model
      </button>
      <NavLink href="/sessions" icon={Server}>Sessions</NavLink>
      <NavLink href="/providers" icon={Plug}>Providers</NavLink>
      <NavLink href="/settings" icon={Settings}>Settings</NavLink>
      <NavLink href="/manual" icon={BookOpen}>Manual</NavLink>
    </nav>
  );
}

export function Sidebar() {
  const query = useSignal('');
  const aside = useRef<HTMLElement>(null);
  const isOpen = isDrawerOpen.value;
  useEffect(() => {
    if (!isOpen) return undefined;
    aside.current?.querySelector('a')?.focus();
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') isDrawerOpen.value = false;
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [isOpen]);
  return (
    <aside ref={aside} class={isOpen ? 'sidebar is-open' : 'sidebar'} aria-label="Chats and pages">
      <div class="sidebar-head">
        <a class="sidebar-brand" href="/" aria-label="Underpass: new chat">
          <Mark />
          <span>{account.value?.hub.name ?? 'Underpass'}</span>
        </a>
        <button type="button" class="icon-button menu-button" aria-label="Close the menu" onClick={() => (isDrawerOpen.value = false)}>
          <Icon of={X} size={20} />
        </button>
      </div>
      <a class="button new-chat" href="/">
        <Icon of={SquarePen} size={16} /> New chat <kbd aria-hidden="true">{isMac ? '⌘K' : 'Ctrl K'}</kbd>
      </a>
      <div class="sidebar-search">
        <Icon of={Search} size={15} />
        <input
          type="search"
          aria-label="Search chats"
          placeholder="Search chats"
          autocomplete="off"
          value={query.value}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
      </div>
      <nav class="sidebar-chats" aria-label="Chats"><Chats query={query.value} /></nav>
      <Foot />
    </aside>
  );
}
