import './message.css';
import { Answer } from './answer';
import { Question } from './question';
import type { MessageProps } from './versions';

export function MessageView({ cell, conversation }: MessageProps) {
  if (cell.role === 'user') return <Question cell={cell} conversation={conversation} />;
  if (cell.role === 'assistant') return <Answer cell={cell} conversation={conversation} />;
  return (
    <article class="message is-other" aria-label={cell.role} tabindex={-1}>
      <p class="message-role">{cell.role}</p>
      <div class="question-text">{cell.text}</div>
    </article>
  );
}
