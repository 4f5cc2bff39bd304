import './composer.css';
import { ArrowUp, Paperclip, SlidersHorizontal, Square } from 'lucide';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Cell } from '../state/cells';
import { isRouteComing, route } from '../state/choice';
import { composingOf, type Composing } from '../state/composing';
import type { Conversation } from '../state/conversation';
import { sendKey } from '../state/preferences';
import { isTemporaryHere } from '../state/temporary';
import { isChatSettingsOpen, isPanelOpen } from '../state/ui';
import { fit } from './fit';
import { Icon } from './icon';
import { RouteNotice } from './route-notice';
import { isSendKey, noteComposed } from './send-key';
import { UploadChips } from './upload-chips';

/** What stands in the empty field: where nothing is kept, it says so as long as one writes. */
const PLACEHOLDERS = { kept: 'Message…', temporary: 'Message… (temporary: nothing is stored)' } as const;

interface ComposerProps {
  readonly conversation: Conversation;
  readonly onSent: () => void;
}

function useEscapeToStop(stop: () => void, isLive: boolean): void {
  useEffect(() => {
    if (!isLive) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.isComposing && !event.defaultPrevented && !isPanelOpen.peek()) stop();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [stop, isLive]);
}

function StopButton({ live, onStop }: { readonly live: Cell; readonly onStop: () => void }) {
  const isStopping = live.isStopping.value;
  return (
    <button type="button" class="composer-act is-stop" title="Stop (Escape)" aria-disabled={isStopping} onClick={onStop}>
      <Icon of={Square} size={16} />
      <span class="unseen">{isStopping ? 'Stopping' : 'Stop the answer'}</span>
    </button>
  );
}

function SendButton({ canSend }: { readonly canSend: boolean }) {
  const key = sendKey.value === 'ctrl_enter' ? 'Ctrl+Enter' : 'Enter';
  return (
    <button type="submit" class="composer-act" aria-label="Send" title={`Send (${key})`} aria-disabled={!canSend}>
      <Icon of={ArrowUp} size={20} />
    </button>
  );
}

/** Files by a click, and the settings of this chat. */
function Tools({ composing, conversation }: { readonly composing: Composing; readonly conversation: Conversation }) {
  const input = useRef<HTMLInputElement>(null);
  const isSet = Object.keys(conversation.settings.value).length > 0;
  return (
    <div class="composer-tools">
      <button type="button" class="icon-button" aria-label="Attach files" title="Attach files" onClick={() => input.current?.click()}>
        <Icon of={Paperclip} />
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => {
          composing.uploads.add([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
        }}
      />
      <button
        type="button"
        class={isSet ? 'icon-button is-set' : 'icon-button'}
        aria-label={isSet ? 'System prompt and sampling (set)' : 'System prompt and sampling'}
        title="System prompt and sampling"
        aria-haspopup="dialog"
        onClick={() => (isChatSettingsOpen.value = true)}
      >
        <Icon of={SlidersHorizontal} />
      </button>
    </div>
  );
}

interface TextAreaProps {
  readonly composing: Composing;
  readonly isTemporary: boolean;
  readonly send: (event: Event) => void;
}

function TextArea({ composing, isTemporary, send }: TextAreaProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const text = composing.text.value;
  // Before the chat is drawn: a moment later the reader may have gone to another field.
  useLayoutEffect(() => {
    if (window.matchMedia('(hover: hover)').matches) area.current?.focus();
  }, [composing]);
  useLayoutEffect(() => {
    if (area.current !== null) fit(area.current);
  }, [text]);
  const onPaste = (event: ClipboardEvent): void => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (pasted.length > 0) composing.uploads.add(pasted);
    else if (!composing.takePaste(event.clipboardData?.getData('text/plain') ?? '')) return;
    event.preventDefault();
  };
  return (
    <textarea
      id="message"
      ref={area}
      rows={1}
      dir="auto"
      placeholder={isTemporary ? PLACEHOLDERS.temporary : PLACEHOLDERS.kept}
      enterkeyhint={sendKey.value === 'enter' ? 'send' : 'enter'}
      value={text}
      onInput={(event) => composing.write(event.currentTarget.value)}
      onPaste={onPaste}
      onCompositionEnd={noteComposed}
      onKeyDown={(event) => isSendKey(event) && send(event)}
    />
  );
}

/** Where a message is written. A key sends, Shift+Enter makes a line; while an answer runs the button is Stop. */
export function Composer({ conversation, onSent }: ComposerProps) {
  const form = useRef<HTMLFormElement>(null);
  const composing = composingOf(conversation);
  const { uploads } = composing;
  const live = conversation.live.value;
  const model = route.value?.modelId ?? null;
  const isTemporary = conversation.isTemporary.value ?? isTemporaryHere.value;
  const hasWords = composing.text.value.trim() !== '';
  const isRead = conversation.loading.value === 'ready';
  const isComing = isRead ? isRouteComing.value : conversation.loading.value !== 'failed' && conversation.loading.value !== 'missing';
  const canSend = hasWords && model !== null && live === null && isRead && !uploads.isBusy;
  const stop = (): void => {
    if (live !== null && !live.isStopping.value) void conversation.stop(live);
    form.current?.querySelector('textarea')?.focus();
  };
  useEscapeToStop(stop, live !== null);
  const send = (event: Event): void => {
    event.preventDefault();
    if (!canSend) {
      composing.isAsked.value = hasWords && isComing && !uploads.isBusy;
      return;
    }
    const content = composing.text.value.trim();
    const files = uploads.ready;
    composing.clear();
    onSent();
    void conversation.send(content, model, files);
  };
  useLayoutEffect(() => {
    if (composing.isAsked.value && canSend) form.current?.requestSubmit();
  }, [composing, canSend]);
  // Whoever goes elsewhere does not wait for it any more.
  useLayoutEffect(() => () => void (composing.isAsked.value = false), [composing]);
  return (
    <form class="composer" ref={form} aria-label="Write a message" onSubmit={send}>
      <RouteNotice waitsFor={live?.message.value.waiting?.provider_id ?? null} />
      <div class={isTemporary ? 'composer-box is-temporary' : 'composer-box'}>
        <UploadChips uploads={uploads} onInline={(text) => composing.write(composing.text.peek() + text)} />
        <label class="unseen" for="message">Message</label>
        <TextArea composing={composing} isTemporary={isTemporary} send={send} />
        <Tools composing={composing} conversation={conversation} />
        {uploads.items.value.length > 0 && !hasWords && <p class="composer-hint">Write what to do with it.</p>}
        {composing.isAsked.value && <p class="composer-hint" role="status">It is sent as soon as {isRead ? 'there is a model' : 'the chat is there'}.</p>}
        {live === null ? <SendButton canSend={canSend} /> : <StopButton live={live} onStop={stop} />}
      </div>
    </form>
  );
}
