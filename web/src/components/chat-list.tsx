import { useSignal } from '@preact/signals';
import { Archive, ChevronRight, Folder, Pin } from 'lucide';
import type { IconNode } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { path } from '../router';
import { archived, groupChats, type ChatGroup } from '../state/chat-groups';
import { folders, isReadingOlder, listTrouble, older, openList, readLists, readOlder } from '../state/chat-list';
import { now } from '../state/clock';
import { chatIdOf } from '../state/conversations';
import { chats, snapshots } from '../state/store';
import { readStored, writeStored } from '../state/stored';
import { ChatRow } from './chat-row';
import { Icon } from './icon';
import { TroubleNote } from './trouble';

interface FoldProps {
  readonly name: string;
  readonly title: string;
  readonly icon: IconNode;
  readonly count: number | null;
  readonly hasCurrent: boolean;
  readonly onOpen: () => void;
  readonly children: ComponentChildren;
}

/** A part of the list that opens and closes, and stays so in this browser. */
function Fold({ name, title, icon, count, hasCurrent, onOpen, children }: FoldProps) {
  const key = `underpass.fold.${name}`;
  const isOpen = useSignal(readStored(key) === 'open' || hasCurrent);
  useEffect(() => {
    if (isOpen.value) onOpen();
  }, [isOpen.value]);
  const toggle = (): void => {
    isOpen.value = !isOpen.value;
    writeStored(key, isOpen.value ? 'open' : null);
  };
  return (
    <section aria-label={title}>
      <h2>
        <button type="button" class="fold" aria-expanded={isOpen.value} onClick={toggle}>
          <Icon of={ChevronRight} size={14} />
          <Icon of={icon} size={15} />
          <span class="fold-title">{title}</span>
          {count !== null && <span class="fold-count">{count}</span>}
        </button>
      </h2>
      {isOpen.value && <ul class="fold-rows">{children}</ul>}
    </section>
  );
}

function Group({ group }: { readonly group: ChatGroup }) {
  const rows = group.chats.map((chat) => <ChatRow key={chat.id} chat={chat} />);
  if (group.kind === 'folder') {
    const hasCurrent = group.chats.some(({ id }) => id === chatIdOf(path.value));
    return (
      <Fold name={group.key} title={group.title} icon={Folder} count={group.count} hasCurrent={hasCurrent} onOpen={() => void openList(group.key, { folder: group.title })}>
        {rows}
      </Fold>
    );
  }
  return (
    <section aria-label={group.title}>
      <h2 class="sidebar-day">
        {group.kind === 'pinned' && <Icon of={Pin} size={13} />}
        {group.title}
      </h2>
      <ul>{rows}</ul>
    </section>
  );
}

function ArchiveFold() {
  const all = archived(chats.value);
  const hasCurrent = all.some(({ id }) => id === chatIdOf(path.value));
  return (
    <Fold name="archive" title="Archive" icon={Archive} count={null} hasCurrent={hasCurrent} onOpen={() => void openList('archive', { archived: 'true' })}>
      {all.map((chat) => <ChatRow key={chat.id} chat={chat} />)}
      {all.length === 0 && <li class="sidebar-empty">Chats that you archive leave the list and wait here.</li>}
    </Fold>
  );
}

/** All chats: pinned, in folders, by day; at the end what is older, and the archive. */
export function ChatList() {
  if (listTrouble.value !== null && chats.value.length === 0) {
    return (
      <TroubleNote trouble={listTrouble.value}>
        <button type="button" class="button is-small" onClick={() => void readLists()}>Try again</button>
      </TroubleNote>
    );
  }
  const groups = groupChats(chats.value, folders.value, now.value);
  const isKnown = snapshots.value > 0;
  return (
    <>
      {groups.length === 0 && isKnown && <p class="sidebar-empty">Your chats will be listed here. What you write goes to the model that you choose, and is kept on this hub alone.</p>}
      {groups.map((group) => <Group key={group.key} group={group} />)}
      {older.value !== null && (
        <button type="button" class="nav-link" aria-disabled={isReadingOlder.value} onClick={() => void readOlder()}>
          {isReadingOlder.value ? 'Reading older chats' : 'Older chats'}
        </button>
      )}
      {isKnown && (chats.value.length > 0 || groups.length > 0) && <ArchiveFold />}
    </>
  );
}
