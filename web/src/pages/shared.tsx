import './shared.css';
import { useSignal } from '@preact/signals';
import { FileText } from 'lucide';
import { useEffect } from 'preact/hooks';
import { isNotFound } from '../api/client';
import { toTrouble } from '../api/errors';
import { shares as api } from '../api/library';
import type { Message, SharedChat, SharedWithMe, Trouble } from '../api/types';
import { CopyButton } from '../components/copy';
import { Icon } from '../components/icon';
import { Markdown } from '../components/markdown';
import { Page } from '../components/shell';
import { TroubleNote } from '../components/trouble';
import { path } from '../router';
import { now } from '../state/clock';
import { ago, filled } from '../words';

/** The answer of one request, for as long as the page is about it. */
function useAnswer<T>(key: string, ask: () => Promise<T>) {
  const answer = useSignal<T | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const isMissing = useSignal(false);
  useEffect(() => {
    let isCurrent = true;
    answer.value = null;
    trouble.value = null;
    isMissing.value = false;
    ask().then(
      (fresh) => isCurrent && (answer.value = fresh),
      (error: unknown) => {
        if (!isCurrent) return;
        isMissing.value = isNotFound(error);
        trouble.value = toTrouble(error);
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [key]);
  return { answer, trouble, isMissing };
}

function SharedMessage({ message }: { readonly message: Message }) {
  const isAnswer = message.role === 'assistant';
  const text = useSignal(message.content);
  const model = message.model === null ? null : message.model.slice(message.model.indexOf('/') + 1);
  return (
    <article class={isAnswer ? 'shared-answer' : 'shared-question'} aria-label={isAnswer ? 'Answer' : 'Question'}>
      {isAnswer ? <Markdown text={text} isDone /> : <div class="question-text" dir="auto">{message.content}</div>}
      {message.attachments.map(({ id, name }) => (
        <p key={id} class="shared-file"><Icon of={FileText} size={15} /> {name}</p>
      ))}
      {isAnswer && (
        <p class="shared-facts">
          <CopyButton isIcon label="Copy the answer" text={() => message.content} /> {model}
        </p>
      )}
    </article>
  );
}

function Transcript({ chat }: { readonly chat: SharedChat }) {
  return (
    <Page title={filled(chat.title) ?? 'A chat'}>
      <p class="section-lead">{`${chat.owner} shared this chat with you, as it was ${ago(chat.created_at, now.value)}. You can read it; the model behind it is not shared.`}</p>
      <div class="shared">{chat.messages.map((message) => <SharedMessage key={message.id} message={message} />)}</div>
    </Page>
  );
}

function One({ id }: { readonly id: string }) {
  const { answer, trouble, isMissing } = useAnswer(id, () => api.read(id));
  if (answer.value !== null) return <Transcript chat={answer.value} />;
  if (isMissing.value) {
    return (
      <Page title="This chat is not shared with you">
        <div class="empty">
          <p>Its owner has stopped sharing it, or shared it with somebody else. Ask them to add your name.</p>
          <a class="button" href="/shared">Chats shared with you</a>
        </div>
      </Page>
    );
  }
  return <Page title="A shared chat">{trouble.value === null ? null : <TroubleNote trouble={trouble.value} />}</Page>;
}

function Row({ share }: { readonly share: SharedWithMe }) {
  return (
    <li>
      <a class="row-link" href={`/shared/${share.id}`}>
        <span class="row-name">{filled(share.title) ?? 'A chat'}</span>
        <span class="row-facts">{`${share.owner} · ${ago(share.created_at, now.value)}`}</span>
      </a>
    </li>
  );
}

function All() {
  const { answer, trouble } = useAnswer('all', api.withMe);
  const items = answer.value?.items ?? [];
  return (
    <Page title="Shared with you">
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      {items.length > 0 && <ul class="rows">{items.map((share) => <Row key={share.id} share={share} />)}</ul>}
      {answer.value !== null && items.length === 0 && (
        <div class="empty">
          <h2>Nothing yet</h2>
          <p>When somebody on this hub shares a chat with you, it is listed here. To share one of yours, open its menu in the list of chats and choose Share.</p>
        </div>
      )}
    </Page>
  );
}

/** Chats of others that one may read: the list, or one of them. */
export function SharedPage() {
  const id = path.value.split('/')[2] ?? '';
  return id === '' ? <All /> : <One key={id} id={decodeURIComponent(id)} />;
}
