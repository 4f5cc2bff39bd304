import './sidebar.css';
import { BookOpen, ChartNoAxesColumn, Command, Ghost, Network, Plug, Plus, Search, Server, Settings, Share2, ShieldCheck, SquarePen, Terminal, X } from 'lucide';
import type { IconNode } from 'lucide';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { path } from '../router';
import { chatSearch } from '../state/search';
import { keysOf } from '../state/shortcuts';
import { account, sessions } from '../state/store';
import { TEMPORARY } from '../state/temporary';
import { isDrawerOpen, openConnect, openPalette } from '../state/ui';
import { ChatList } from './chat-list';
import { Icon, Mark } from './icon';
import { SearchHits } from './search-hits';

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
      <NavLink href="/clusters" icon={Network}>Clusters</NavLink>
      <NavLink href="/tools" icon={Terminal}>Connect tools</NavLink>
      <NavLink href="/usage" icon={ChartNoAxesColumn}>Usage</NavLink>
      <NavLink href="/shared" icon={Share2}>Shared with you</NavLink>
      <NavLink href="/settings" icon={Settings}>Settings</NavLink>
      {account.value?.is_admin === true && <NavLink href="/admin" icon={ShieldCheck}>Admin</NavLink>}
      <NavLink href="/manual" icon={BookOpen}>Manual</NavLink>
    </nav>
  );
}

/** A new chat, and beside it one that leaves no trace. */
function NewChat() {
  return (
    <div class="new-chat">
      <a class="button" href="/"><Icon of={SquarePen} size={16} /> New chat</a>
      <a class="icon-button" href={TEMPORARY} title="Temporary chat: nothing is stored"><Icon of={Ghost} size={17} /><span class="unseen">Temporary chat</span></a>
      <button type="button" class="icon-button" title={`Commands (${keysOf('palette')})`} onClick={openPalette}>
        <Icon of={Command} size={16} /><span class="unseen">Commands</span>
      </button>
    </div>
  );
}

function SearchField() {
  return (
    <div class="sidebar-search">
      <Icon of={Search} size={15} />
      <input
        id="chat-search"
        type="search"
        aria-label="Search chats"
        placeholder="Search chats"
        autocomplete="off"
        maxLength={200}
        value={chatSearch.query.value}
        onInput={(event) => chatSearch.search(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || chatSearch.query.peek() === '') return;
          event.stopPropagation();
          chatSearch.search('');
        }}
      />
    </div>
  );
}

export function Sidebar() {
  const aside = useRef<HTMLElement>(null);
  const isOpen = isDrawerOpen.value;
  useLayoutEffect(() => {
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
      <NewChat />
      <SearchField />
      <nav class="sidebar-chats" aria-label="Chats">{chatSearch.query.value.trim() === '' ? <ChatList /> : <SearchHits />}</nav>
      <Foot />
    </aside>
  );
}
