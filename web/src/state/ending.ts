import type { Message } from '../api/types';
import { isLive } from './cells';

export interface Ending {
  readonly words: string;
  /** Whether the same message can be gone on with. */
  readonly canGoOn: boolean;
}

const REASONS: Readonly<Record<string, string>> = {
  length: 'Stopped at the length limit.',
  content_filter: 'The model server’s content filter ended the answer.',
};

/** Why an answer is over, when that is worth a word; null for one that came to its own end. */
export function endingOf(message: Message): Ending | null {
  const { status, finish_reason: reason, content, tool_calls: calls } = message;
  if (isLive(status)) return null;
  const hasText = content !== '';
  if (status === 'stopped') return { words: hasText ? 'Stopped. What came is kept.' : 'Stopped before the first word.', canGoOn: hasText };
  if (status === 'interrupted') return { words: 'The answer was cut off. What came is kept.', canGoOn: hasText };
  if (status === 'failed') return { words: 'The answer failed.', canGoOn: hasText };
  if (reason !== null && reason in REASONS) return { words: REASONS[reason] ?? '', canGoOn: reason === 'length' && hasText };
  const hasCalls = calls !== null && calls.length > 0;
  if (hasCalls) return { words: 'The model asked for a tool. AI Chat has none to run, so it ends here.', canGoOn: false };
  return hasText ? null : { words: 'The model ended its answer without a word.', canGoOn: false };
}
