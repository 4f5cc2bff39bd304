import { useSignal, type Signal } from '@preact/signals';
import { Pencil, Trash2 } from 'lucide';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { route } from '../state/choice';
import { focusComposer } from '../state/focus';
import { Attachments } from './attachments';
import { CopyButton } from './copy';
import { fit } from './fit';
import { Icon } from './icon';
import { isSendKey, noteComposed } from './send-key';
import { Versions, type MessageProps } from './versions';

interface EditorProps extends MessageProps {
  readonly isEditing: Signal<boolean>;
}

/** The question as a field: sending it asks anew beside the old one, which stays. */
function Editor({ cell, conversation, isEditing }: EditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const text = useSignal(cell.text.peek());
  useLayoutEffect(() => {
    if (area.current === null) return;
    fit(area.current);
    area.current.focus();
    area.current.setSelectionRange(text.peek().length, text.peek().length);
  }, [text]);
  const close = (): void => {
    isEditing.value = false;
  };
  const model = route.value?.modelId ?? null;
  const canSend = text.value.trim() !== '' && model !== null;
  const send = (event: Event): void => {
    event.preventDefault();
    if (!canSend) return;
    close();
    focusComposer();
    void conversation.edit(cell, text.value.trim(), model);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && !event.isComposing) {
      event.preventDefault();
      close();
    } else if (isSendKey(event)) send(event);
  };
  return (
    <form class="question-editor" aria-label="Edit the message" onSubmit={send}>
      <textarea
        ref={area}
        class="input"
        aria-label="Message"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          fit(event.currentTarget);
        }}
        onCompositionEnd={noteComposed}
        onKeyDown={onKeyDown}
      />
      <div class="question-editor-acts">
        <span class="quiet">The old version and its answer stay.</span>
        <button type="button" class="button is-small" onClick={close}>Cancel</button>
        <button type="submit" class="button is-small is-main" aria-disabled={!canSend}>Send</button>
      </div>
    </form>
  );
}

export function Question({ cell, conversation }: MessageProps) {
  const isEditing = useSignal(false);
  const { attachments } = cell.message.value;
  if (isEditing.value) {
    return (
      <article class="message is-question is-edited" aria-label="You" tabindex={-1}>
        <Editor cell={cell} conversation={conversation} isEditing={isEditing} />
      </article>
    );
  }
  return (
    <article class="message is-question" aria-label="You" tabindex={-1}>
      <Attachments files={attachments} />
      {cell.text.value !== '' && <div class="question-text" dir="auto">{cell.text}</div>}
      <div class="question-foot">
        <CopyButton isIcon label="Copy the message" text={() => cell.text.peek()} />
        <button type="button" class="icon-button" aria-label="Edit" title="Edit and ask anew" onClick={() => (isEditing.value = true)}>
          <Icon of={Pencil} size={15} />
        </button>
        <button type="button" class="icon-button" aria-label="Delete" title="Delete, with what came after it" onClick={() => conversation.remove(cell)}>
          <Icon of={Trash2} size={15} />
        </button>
        <Versions cell={cell} conversation={conversation} />
      </div>
    </article>
  );
}
