import './message.css';
import { useComputed } from '@preact/signals';
import { Brain, ChevronLeft, ChevronRight, RotateCcw } from 'lucide';
import type { Message } from '../api/types';
import { isLive, type Cell } from '../state/cells';
import type { Conversation } from '../state/conversation';
import { route } from '../state/choice';
import { CopyButton } from './copy';
import { Icon } from './icon';
import { Markdown } from './markdown';
import { TroubleNote } from './trouble';
import { Waiting } from './waiting';

interface MessageProps {
  readonly cell: Cell;
  readonly conversation: Conversation;
}

/** `‹ 2/3 ›`: the other versions of a question or an answer. */
function Branches({ cell, conversation }: MessageProps) {
  const all = conversation.siblings(cell);
  if (all.length < 2) return null;
  const at = all.indexOf(cell);
  const step = (by: number): void => {
    const next = all[at + by];
    if (next !== undefined) conversation.showBranch(next);
  };
  return (
    <span class="branches" role="group" aria-label="Versions">
      <button type="button" class="icon-button" aria-label="Version before" disabled={at === 0} onClick={() => step(-1)}>
        <Icon of={ChevronLeft} size={16} />
      </button>
      <span>{`${at + 1}/${all.length}`}</span>
      <button type="button" class="icon-button" aria-label="Version after" disabled={at === all.length - 1} onClick={() => step(1)}>
        <Icon of={ChevronRight} size={16} />
      </button>
    </span>
  );
}

function shortTime(seconds: number): string {
  return seconds < 0.1 ? `${Math.round(seconds * 1000)}\u00a0ms` : `${seconds.toFixed(seconds < 10 ? 1 : 0)}\u00a0s`;
}

/** Which model on which session answered, and how fast. */
function facts({ model, provider, timings }: Message): readonly string[] {
  const name = model === null ? null : model.slice(model.indexOf('/') + 1);
  const place = [provider?.name, provider?.host].filter((part) => typeof part === 'string').join(' on ');
  const speed = timings?.tokens_per_s;
  const first = timings?.first_token_s;
  return [
    name,
    place,
    typeof speed === 'number' ? `${speed >= 10 ? Math.round(speed) : speed.toFixed(1)} tok/s` : null,
    typeof first === 'number' ? `first token ${shortTime(first)}` : null,
  ].filter((part) => part !== null && part !== '') as readonly string[];
}

const ENDS: Partial<Record<Message['status'], string>> = {
  stopped: 'Stopped. What came is kept.',
  interrupted: 'The answer was cut off. What came is kept.',
};

function Ending({ message }: { readonly message: Message }) {
  const words = ENDS[message.status] ?? (message.finish_reason === 'length' ? 'Ended at the length limit.' : null);
  return words === null ? null : <p class="message-ending">{words}</p>;
}

function Foot({ cell, conversation }: MessageProps) {
  const message = cell.message.value;
  const again = (): void => {
    void conversation.retry(cell, route.peek()?.modelId ?? message.model ?? '');
  };
  return (
    <div class="message-foot">
      <CopyButton isIcon label="Copy the answer" text={() => cell.text.peek()} />
      <button type="button" class="icon-button" aria-label="Ask again" title="Ask again" onClick={again}>
        <Icon of={RotateCcw} size={16} />
      </button>
      <Branches cell={cell} conversation={conversation} />
      <p class="message-facts">
        {facts(message).map((part) => (
          <span key={part}>{part}</span>
        ))}
      </p>
    </div>
  );
}

function Reasoning({ cell }: { readonly cell: Cell }) {
  const hasReasoning = useComputed(() => cell.reasoning.value !== '');
  const hasText = useComputed(() => cell.text.value !== '');
  if (!hasReasoning.value) return null;
  const isThinking = isLive(cell.message.value.status) && !hasText.value;
  return (
    <details class="reasoning">
      <summary>
        <Icon of={Brain} size={16} />
        {isThinking ? 'Thinking' : 'Reasoning'}
      </summary>
      <div class="reasoning-text">{cell.reasoning}</div>
    </details>
  );
}

function Answer({ cell, conversation }: MessageProps) {
  const message = cell.message.value;
  const live = isLive(message.status);
  const { error } = message;
  return (
    <article class="message is-answer" aria-label="Answer" aria-busy={live}>
      <Reasoning cell={cell} />
      <Markdown text={cell.text} isDone={!live} />
      {live && <Waiting cell={cell} />}
      <Ending message={message} />
      {error !== null && !live && conversation.siblings(cell).length > 1 && <Branches cell={cell} conversation={conversation} />}
      {error !== null && !live && (
        <TroubleNote trouble={error}>
          <button
            type="button"
            class="button is-small"
            onClick={() => void conversation.retry(cell, route.peek()?.modelId ?? message.model ?? '')}
          >
            Try again
          </button>
        </TroubleNote>
      )}
      {!live && message.status !== 'failed' && <Foot cell={cell} conversation={conversation} />}
    </article>
  );
}

function Question({ cell, conversation }: MessageProps) {
  return (
    <article class="message is-question" aria-label="You">
      <div class="question-text">{cell.text}</div>
      <Branches cell={cell} conversation={conversation} />
    </article>
  );
}

export function MessageView({ cell, conversation }: MessageProps) {
  if (cell.role === 'user') return <Question cell={cell} conversation={conversation} />;
  if (cell.role === 'assistant') return <Answer cell={cell} conversation={conversation} />;
  return (
    <article class="message is-other" aria-label={cell.role}>
      <p class="message-role">{cell.role}</p>
      <div class="question-text">{cell.text}</div>
    </article>
  );
}
