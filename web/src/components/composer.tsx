import './composer.css';
import { useSignal } from '@preact/signals';
import { ArrowUp, Square } from 'lucide';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { route } from '../state/choice';
import type { Conversation } from '../state/conversation';
import { readDraft, writeDraft } from '../state/drafts';
import { isConnectOpen, isDrawerOpen, isPickerOpen } from '../state/ui';
import { Icon } from './icon';
import { RouteNotice } from './route-notice';

const MAX_HEIGHT_PX = 260;

/** Grows with its text up to a limit; through the DOM, since styles in HTML are forbidden here. */
function fit(area: HTMLTextAreaElement): void {
  area.style.height = 'auto';
  area.style.height = `${Math.min(area.scrollHeight, MAX_HEIGHT_PX)}px`;
}

/** Safari ends a composition before the Enter that took the word: within this time it is that Enter. */
const COMPOSED_MS = 50;
let composedAt = -COMPOSED_MS;

/** Enter alone; not the Enter that takes a word from an input method. */
function isSendKey(event: KeyboardEvent): boolean {
  const isWord = event.isComposing || event.timeStamp - composedAt < COMPOSED_MS;
  return event.key === 'Enter' && !event.shiftKey && !isWord;
}

interface ComposerProps {
  readonly conversation: Conversation;
  readonly onSent: () => void;
}

function useDraft(conversation: Conversation) {
  const chatId = conversation.chatId.value;
  const text = useSignal('');
  useLayoutEffect(() => {
    text.value = readDraft(chatId);
  }, [conversation, chatId, text]);
  const write = (next: string): void => {
    text.value = next;
    writeDraft(chatId, next);
  };
  return { text, write };
}

function useEscapeToStop(stop: () => void, isLive: boolean): void {
  useEffect(() => {
    if (!isLive) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      const isElsewhere = isPickerOpen.value || isConnectOpen.value || isDrawerOpen.value;
      if (event.key === 'Escape' && !event.isComposing && !event.defaultPrevented && !isElsewhere) stop();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [stop, isLive]);
}

function StopButton({ isStopping, onStop }: { readonly isStopping: boolean; readonly onStop: () => void }) {
  return (
    <button
      type="button"
      class="composer-act is-stop"
      title="Stop (Escape)"
      aria-disabled={isStopping}
      onClick={onStop}
    >
      <Icon of={Square} size={16} />
      <span class="unseen">{isStopping ? 'Stopping' : 'Stop the answer'}</span>
    </button>
  );
}

/** Where a message is written. Enter sends, Shift+Enter makes a line; while an answer runs the button is Stop. */
export function Composer({ conversation, onSent }: ComposerProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const { text, write } = useDraft(conversation);
  const live = conversation.live.value;
  const isLive = live !== null;
  const model = route.value?.modelId ?? null;
  const canSend = text.value.trim() !== '' && model !== null && !isLive;
  const stop = (): void => {
    if (live !== null && !live.isStopping.value) void conversation.stop(live);
    area.current?.focus();
  };
  useEscapeToStop(stop, isLive);
  useEffect(() => {
    if (window.matchMedia('(hover: hover)').matches) area.current?.focus();
  }, [conversation]);
  useLayoutEffect(() => {
    if (area.current !== null) fit(area.current);
  }, [text.value]);
  const send = (event: Event): void => {
    event.preventDefault();
    if (!canSend) return;
    const content = text.value.trim();
    write('');
    onSent();
    void conversation.send(content, model);
  };
  return (
    <form class="composer" aria-label="Write a message" onSubmit={send}>
      <RouteNotice />
      <div class="composer-box">
        <label class="unseen" for="message">Message</label>
        <textarea
          id="message"
          ref={area}
          rows={1}
          placeholder="Message…"
          enterkeyhint="send"
          value={text.value}
          onInput={(event) => write(event.currentTarget.value)}
          onCompositionEnd={(event) => (composedAt = event.timeStamp)}
          onKeyDown={(event) => isSendKey(event) && send(event)}
        />
        {isLive ? (
          <StopButton isStopping={live.isStopping.value} onStop={stop} />
        ) : (
          <button type="submit" class="composer-act" aria-label="Send" title="Send (Enter)" aria-disabled={!canSend}>
            <Icon of={ArrowUp} size={20} />
          </button>
        )}
      </div>
    </form>
  );
}
