import './chat-row.css';
import { useSignal } from '@preact/signals';
import { Share2 } from 'lucide';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ChatSummary } from '../api/types';
import { path } from '../router';
import { chatTroubles, forgetTrouble, renameChat, renaming } from '../state/chat-acts';
import { chatMenu } from '../state/chat-menu';
import { chatIdOf } from '../state/conversations';
import { toggleMenu } from '../state/menu';
import { filled } from '../words';
import { Icon } from './icon';
import { MoreButton } from './menu';
import { TroubleNote } from './trouble';

export const titleOf = (chat: Pick<ChatSummary, 'title'>): string => filled(chat.title) ?? 'New chat';

/** The title as a field: Enter or leaving it keeps what was written, Escape does not. */
function TitleField({ chat }: { readonly chat: ChatSummary }) {
  const text = useSignal(chat.title);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const done = (): void => void renameChat(chat, text.peek());
  return (
    <input
      ref={field}
      class="chat-title"
      aria-label="Title of the chat"
      value={text.value}
      maxLength={200}
      onInput={(event) => (text.value = event.currentTarget.value)}
      onBlur={done}
      onKeyDown={(event) => {
        if (event.isComposing) return;
        if (event.key === 'Enter') done();
        else if (event.key === 'Escape') {
          event.stopPropagation();
          renaming.value = null;
        }
      }}
    />
  );
}

/** A chat in the list: its title leads to it; the dots, or the other button, open what can be done. */
export function ChatRow({ chat }: { readonly chat: ChatSummary }) {
  const row = useRef<HTMLLIElement>(null);
  const title = titleOf(chat);
  const isHere = chatIdOf(path.value) === chat.id;
  const trouble = chatTroubles.value.get(chat.id);
  const label = `More about ${title}`;
  const openAtRow = (event: MouseEvent): void => {
    const anchor = row.current?.querySelector('button');
    if (!(anchor instanceof HTMLElement)) return;
    event.preventDefault();
    toggleMenu({ label, items: chatMenu(chat), anchor });
  };
  if (renaming.value === chat.id) return <li class="chat-row is-edited"><TitleField chat={chat} /></li>;
  return (
    <li ref={row} class={isHere ? 'chat-row is-here' : 'chat-row'} onContextMenu={openAtRow}>
      <a href={`/chat/${chat.id}`} aria-current={isHere ? 'page' : undefined} title={title}>
        {title}
        {chat.is_shared && <><Icon of={Share2} size={13} /><span class="unseen"> shared</span></>}
      </a>
      <MoreButton label={label} items={() => chatMenu(chat)} />
      {trouble !== undefined && (
        <TroubleNote trouble={trouble}>
          <button type="button" class="button is-small" onClick={() => forgetTrouble(chat.id)}>Close</button>
        </TroubleNote>
      )}
    </li>
  );
}
