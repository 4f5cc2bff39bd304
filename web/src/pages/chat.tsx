import './chat.css';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Composer } from '../components/composer';
import { DropZone } from '../components/drop-zone';
import type { EndKeeper } from '../components/end-keeper';
import { lazy } from '../components/lazy';
import { RouteLine } from '../components/route-line';
import { Transcript } from '../components/transcript';
import { TroubleNote } from '../components/trouble';
import { go, path } from '../router';
import { route } from '../state/choice';
import type { Conversation } from '../state/conversation';
import { adopt, current } from '../state/conversations';
import { chatsById, providers, world } from '../state/store';
import { composingOf } from '../state/composing';
import { isTemporaryHere } from '../state/temporary';
import { isChatSettingsOpen } from '../state/ui';
import { filled } from '../words';

const ConnectPanel = lazy(async () => (await import('../components/connect')).ConnectPanel);
const ChatSettings = lazy(async () => (await import('../components/chat-settings')).ChatSettings);

/** Before the first message: where the words will go; or, without a model, how to get one. */
function Start() {
  const line = route.value;
  // Once begun, the first run is seen through: its steps stay until somebody goes on.
  const isFirstRun = useSignal(false);
  if (!world.value.isKnown) return <div class="chat-start" />;
  if (providers.value.length === 0) isFirstRun.value = true;
  if (isFirstRun.value) {
    return (
      <div class="chat-start is-first">
        <h1>Connect a model</h1>
        <p class="chat-start-lead">
          Underpass brings a model that runs in your own session into this page, through a tunnel that only you can use.
        </p>
        <ConnectPanel onDone={() => (isFirstRun.value = false)} />
      </div>
    );
  }
  if (isTemporaryHere.value) return <TemporaryStart />;
  const { provider } = line ?? {};
  const host = provider?.session?.host;
  return (
    <div class="chat-start">
      <h1>{line === null ? 'Choose a model above' : `Ask ${line.modelName}`}</h1>
      {line !== null && (
        <p class="chat-start-lead">
          {`What you write goes to ${provider?.name ?? 'it'}${typeof host === 'string' ? ` on ${host}` : ''}, and nowhere else.`}
        </p>
      )}
    </div>
  );
}

function TemporaryStart() {
  return (
    <div class="chat-start">
      <h1>Temporary chat</h1>
      <p class="chat-start-lead">
        The hub holds it in its memory alone: nothing is written to a disk, no list shows it, and it is gone an hour after you leave it.
      </p>
      <a class="button" href="/">Begin a kept chat instead</a>
    </div>
  );
}

function Missing() {
  return (
    <div class="chat-start">
      <h1>This chat is not here</h1>
      <p class="chat-start-lead">It was deleted, or it belongs to somebody else.</p>
      <a class="button" href="/">New chat</a>
    </div>
  );
}

function Failed({ conversation }: { readonly conversation: Conversation }) {
  const trouble = conversation.trouble.value;
  return (
    <div class="chat-start">
      {trouble !== null && (
        <TroubleNote trouble={trouble}>
          <button type="button" class="button is-small" onClick={() => void conversation.load()}>Try again</button>
        </TroubleNote>
      )}
    </div>
  );
}

function Body({ conversation, keeper }: { readonly conversation: Conversation; readonly keeper: { current: EndKeeper | null } }) {
  switch (conversation.loading.value) {
    case 'missing':
      return <Missing />;
    case 'failed':
      return <Failed conversation={conversation} />;
    case 'idle':
    case 'loading':
      return <div class="chat-start" aria-busy="true" />;
    case 'ready':
      return conversation.path.value.length === 0 ? <Start /> : <Transcript conversation={conversation} keeper={keeper} />;
  }
}

/** What went wrong with the last act on this chat, above the place where one writes. */
function ActTrouble({ conversation }: { readonly conversation: Conversation }) {
  const trouble = conversation.trouble.value;
  if (trouble === null || conversation.loading.value !== 'ready') return null;
  return (
    <div class="chat-trouble">
      <TroubleNote trouble={trouble}>
        <button type="button" class="button is-small" onClick={() => (conversation.trouble.value = null)}>Close</button>
      </TroubleNote>
    </div>
  );
}

export function ChatPage() {
  const keeper = useRef<EndKeeper | null>(null);
  const conversation = current.value;
  const chatId = conversation.chatId.value;
  const title = filled(chatsById.value.get(chatId ?? '')?.title) ?? filled(conversation.title.value);
  useEffect(() => {
    document.title = title === null ? 'Underpass' : `${title} · Underpass`;
  }, [title]);
  // The first message makes the chat: from then on it has an address.
  useEffect(() => {
    if (chatId === null || path.peek() !== '/') return;
    adopt(conversation);
    go(`/chat/${chatId}`, { replace: true });
  }, [conversation, chatId]);
  return (
    <DropZone class="chat-page" onFiles={(files) => composingOf(conversation).uploads.add(files)}>
      <RouteLine />
      {conversation.path.value.length > 0 && <h1 class="unseen">{title ?? 'New chat'}</h1>}
      <Body conversation={conversation} keeper={keeper} />
      <ActTrouble conversation={conversation} />
      <Composer conversation={conversation} onSent={() => keeper.current?.pin()} />
      {isChatSettingsOpen.value && <ChatSettings conversation={conversation} />}
    </DropZone>
  );
}
