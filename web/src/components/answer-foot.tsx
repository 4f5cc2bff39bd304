import { ArrowRight, Cpu, GitFork, RotateCcw, Trash2 } from 'lucide';
import { useRef } from 'preact/hooks';
import { go } from '../router';
import { route } from '../state/choice';
import type { Cell } from '../state/cells';
import type { Conversation } from '../state/conversation';
import { endingOf } from '../state/ending';
import { factsOf } from '../state/facts';
import { toggleMenu, type MenuItem } from '../state/menu';
import { modelItems } from '../state/model-items';
import { providers } from '../state/store';
import { CopyButton } from './copy';
import { Icon } from './icon';
import { MoreButton } from './menu';
import { Versions, type MessageProps } from './versions';

async function fork(cell: Cell, conversation: Conversation): Promise<void> {
  const id = await conversation.fork(cell);
  if (id !== null) go(`/chat/${id}`);
}

/** What can be done with an answer beyond copying it and asking again. */
function answerMenu(cell: Cell, conversation: Conversation): readonly MenuItem[] {
  const message = cell.message.peek();
  const model = route.peek()?.modelId ?? message.model ?? '';
  const canGoOn = endingOf(message)?.canGoOn === true && conversation.path.peek().at(-1)?.id === cell.id;
  return [
    ...(canGoOn ? [{ words: 'Continue', icon: ArrowRight, act: () => void conversation.goOn(cell, model) }] : []),
    { words: 'New chat from here', icon: GitFork, act: () => void fork(cell, conversation) },
    { words: 'Delete', icon: Trash2, act: () => conversation.remove(cell), isBad: true },
  ];
}

/** Another model's answer to the same question, beside this one. */
function OtherModel({ cell, conversation }: MessageProps) {
  const button = useRef<HTMLButtonElement>(null);
  const open = (): void => {
    if (button.current === null) return;
    const items = modelItems(providers.peek(), (model) => void conversation.retry(cell, model));
    toggleMenu({ label: 'Ask another model', items, anchor: button.current });
  };
  return (
    <button ref={button} type="button" class="icon-button" aria-label="Ask another model" title="Ask another model" aria-haspopup="menu" onClick={open}>
      <Icon of={Cpu} size={16} />
    </button>
  );
}

/** Acts on an answer, its versions, and where and how fast it was made. */
export function AnswerFoot({ cell, conversation }: MessageProps) {
  const message = cell.message.value;
  const again = (): void => void conversation.retry(cell, route.peek()?.modelId ?? message.model ?? '');
  return (
    <div class="message-foot">
      <CopyButton isIcon label="Copy the answer" text={() => cell.text.peek()} />
      <button type="button" class="icon-button" aria-label="Ask again" title="Ask again" onClick={again}>
        <Icon of={RotateCcw} size={16} />
      </button>
      <OtherModel cell={cell} conversation={conversation} />
      <MoreButton label="More for this answer" items={() => answerMenu(cell, conversation)} />
      <Versions cell={cell} conversation={conversation} />
      <p class="message-facts">
        {factsOf(message).map((part) => (
          <span key={part}>{part}</span>
        ))}
      </p>
    </div>
  );
}
