import { ArrowRight } from 'lucide';
import { route } from '../state/choice';
import { isLive } from '../state/cells';
import { endingOf } from '../state/ending';
import { AnswerFoot } from './answer-foot';
import { Icon } from './icon';
import { Markdown } from './markdown';
import { Reasoning } from './reasoning';
import { ReviveButton } from './revive';
import { ToolCalls } from './tool-calls';
import { TroubleNote } from './trouble';
import { Versions, type MessageProps } from './versions';
import { Waiting } from './waiting';

/** The model that is asked next: the one in the route line, else the one that answered. */
const nextModel = (own: string | null): string => route.peek()?.modelId ?? own ?? '';

function Ending({ cell, conversation }: MessageProps) {
  const message = cell.message.value;
  const ending = endingOf(message);
  const isLast = conversation.path.value.at(-1)?.id === cell.id;
  const model = (): string => nextModel(message.model);
  const goOn = ending?.canGoOn === true && isLast && (
    <button type="button" class="button is-small" onClick={() => void conversation.goOn(cell, model())}>
      <Icon of={ArrowRight} size={15} /> Continue
    </button>
  );
  const again = (
    <button type="button" class="button is-small" onClick={() => void conversation.retry(cell, model())}>Try again</button>
  );
  if (message.error !== null) {
    return (
      <TroubleNote trouble={message.error}>
        <ReviveButton providerId={message.provider?.id ?? null} />
        {goOn !== false ? goOn : again}
      </TroubleNote>
    );
  }
  if (ending === null) return null;
  return <p class="message-ending">{ending.words} {goOn}</p>;
}

export function Answer({ cell, conversation }: MessageProps) {
  const message = cell.message.value;
  const live = isLive(message.status);
  const isFailed = message.status === 'failed';
  return (
    <article class="message is-answer" aria-label="Answer" aria-busy={live} tabindex={-1}>
      <Reasoning cell={cell} />
      <Markdown text={cell.text} isDone={!live} />
      <ToolCalls calls={message.tool_calls} />
      {live ? <Waiting cell={cell} conversation={conversation} /> : <Ending cell={cell} conversation={conversation} />}
      {!live && isFailed && cell.text.peek() === '' && <Versions cell={cell} conversation={conversation} />}
      {!live && !(isFailed && cell.text.peek() === '') && <AnswerFoot cell={cell} conversation={conversation} />}
    </article>
  );
}
