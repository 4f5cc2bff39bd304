import './search-hits.css';
import { path } from '../router';
import type { ChatSummary } from '../api/types';
import { chatIdOf } from '../state/conversations';
import { piecesOf } from '../state/highlight';
import { chatSearch, hitPath } from '../state/search';
import { titleOf } from './chat-row';
import { TroubleNote } from './trouble';

/** A text with what was found in it marked. */
export function Marked({ text, spans }: { readonly text: string; readonly spans: readonly (readonly [number, number])[] }) {
  return <>{piecesOf(text, spans).map((piece, index) => (piece.isHit ? <mark key={index}>{piece.text}</mark> : piece.text))}</>;
}

function Hit({ chat }: { readonly chat: ChatSummary }) {
  const isHere = chatIdOf(path.value) === chat.id;
  const { match } = chat;
  const isInText = match !== null && match.message_id !== null;
  return (
    <li class={isHere ? 'hit is-here' : 'hit'}>
      <a href={hitPath(chat)} aria-current={isHere ? 'page' : undefined}>
        <span class="hit-title">{match !== null && !isInText ? <Marked text={match.text} spans={match.spans} /> : titleOf(chat)}</span>
        {isInText && <span class="hit-text"><Marked text={match.text} spans={match.spans} /></span>}
        {chat.is_archived && <span class="hit-text">in the archive</span>}
      </a>
    </li>
  );
}

function said(count: number): string {
  if (chatSearch.isSearching.value) return 'Searching';
  if (count === 0) return 'Nothing found. Every word has to be in one chat, in its title or in its text.';
  return count === 1 ? '1 chat' : `${count} chats`;
}

/** Chats with the words in their titles or in what was said in them, best first. */
export function SearchHits() {
  const all = chatSearch.hits.value;
  return (
    <section aria-label={`Chats with ${chatSearch.query.value}`}>
      <p class={all.length === 0 ? 'sidebar-empty' : 'sidebar-day'} role="status">{said(all.length)}</p>
      {chatSearch.trouble.value !== null && (
        <TroubleNote trouble={chatSearch.trouble.value}>
          <button type="button" class="button is-small" onClick={() => chatSearch.search(chatSearch.query.peek())}>Try again</button>
        </TroubleNote>
      )}
      <ul>{all.map((chat) => <Hit key={chat.id} chat={chat} />)}</ul>
      <button type="button" class="nav-link" onClick={() => chatSearch.search('')}>All chats</button>
    </section>
  );
}
