import './share-dialog.css';
import { useSignal } from '@preact/signals';
import { X } from 'lucide';
import { useEffect } from 'preact/hooks';
import { isNotFound } from '../api/client';
import { toTrouble } from '../api/errors';
import { shares as api } from '../api/library';
import type { ChatSummary, Share, Trouble } from '../api/types';
import { chats, putChat, world } from '../state/store';
import { now } from '../state/clock';
import { sharing } from '../state/ui';
import { namesIn } from '../state/names-in';
import { ago } from '../words';
import { titleOf } from './chat-row';
import { CopyButton } from './copy';
import { Dialog } from './dialog';
import { Icon } from './icon';
import { TroubleNote } from './trouble';

const close = (): void => {
  sharing.value = null;
};

function mark(chatId: string, isShared: boolean): void {
  const known = world.peek().chats.get(chatId);
  if (known !== undefined) putChat({ ...known, is_shared: isShared });
}

function useShare(chat: ChatSummary) {
  const share = useSignal<Share | null>(null);
  const isKnown = useSignal(false);
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const attempt = async (work: () => Promise<Share | null>): Promise<boolean> => {
    if (isBusy.value) return false;
    isBusy.value = true;
    trouble.value = null;
    try {
      share.value = await work();
      isKnown.value = true;
      mark(chat.id, share.value !== null);
      return true;
    } catch (error) {
      trouble.value = toTrouble(error);
      return false;
    } finally {
      isBusy.value = false;
    }
  };
  const read = async (): Promise<Share | null> => {
    try {
      return await api.get(chat.id);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  };
  return {
    share,
    isKnown,
    trouble,
    isBusy,
    load: () => attempt(read),
    put: (users: readonly string[]) => attempt(() => api.put(chat.id, users)),
    stop: () =>
      attempt(async () => {
        await api.remove(chat.id);
        return null;
      }),
  };
}

type Sharing = ReturnType<typeof useShare>;

function Readers({ state }: { readonly state: Sharing }) {
  const users = state.share.value?.users ?? [];
  return (
    <ul class="readers" aria-label="Who can read it">
      {users.map((name) => (
        <li key={name} class="reader">
          {name}
          <button type="button" class="icon-button" aria-label={`Take ${name} off`} onClick={() => void (users.length === 1 ? state.stop() : state.put(users.filter((other) => other !== name)))}>
            <Icon of={X} size={14} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Shared({ share, state }: { readonly share: Share; readonly state: Sharing }) {
  const address = new URL(share.url, window.location.origin).href;
  return (
    <>
      <Readers state={state} />
      <div class="paste">
        <code tabindex={0}>{address}</code>
        <CopyButton text={() => address} label="Copy the link" />
      </div>
      <p class="help">
        {`They see the chat as it was ${ago(share.created_at, now.value)}. What you wrote since stays yours until you share it again.`}
      </p>
      <div class="share-acts">
        <button type="button" class="button" aria-disabled={state.isBusy.value} onClick={() => void state.put(share.users)}>Share it as it is now</button>
        <button type="button" class="button is-bad" aria-disabled={state.isBusy.value} onClick={() => void state.stop()}>Stop sharing</button>
      </div>
    </>
  );
}

function Body({ chat }: { readonly chat: ChatSummary }) {
  const state = useShare(chat);
  const typed = useSignal('');
  useEffect(() => void state.load(), []);
  const share = state.share.value;
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const names = namesIn(typed.value);
    if (names.length === 0) return;
    if (await state.put([...new Set([...(share?.users ?? []), ...names])])) typed.value = '';
  };
  return (
    <div class="share">
      <p>People whom you name can read this branch of the chat after they signed in. They read; they never reach your model, its tunnel or your session.</p>
      <form class="share-form" onSubmit={(event) => void add(event)}>
        <div class="field">
          <label for="share-names">Their names on this hub</label>
          <input id="share-names" class="input" autocomplete="off" autocapitalize="none" spellcheck={false} placeholder="bob, carol" value={typed.value} onInput={(event) => (typed.value = event.currentTarget.value)} />
        </div>
        <button type="submit" class="button is-main" aria-disabled={state.isBusy.value || typed.value.trim() === ''}>{share === null ? 'Share' : 'Add'}</button>
      </form>
      {state.trouble.value !== null && <TroubleNote trouble={state.trouble.value} />}
      {share !== null && <Shared share={share} state={state} />}
      {share === null && state.isKnown.value && <p class="help" role="status">Nobody but you can read it now.</p>}
    </div>
  );
}

/** Who may read a chat, and the link to send them. */
export function ShareDialog() {
  const chat = chats.value.find(({ id }) => id === sharing.value);
  if (chat === undefined) return null;
  return (
    <Dialog title={`Share “${titleOf(chat)}”`} onClose={close}>
      <Body key={chat.id} chat={chat} />
    </Dialog>
  );
}
