import { useComputed, useSignal } from '@preact/signals';
import { Brain } from 'lucide';
import { useEffect } from 'preact/hooks';
import { isLive, type Cell } from '../state/cells';
import { span } from '../words';
import { Icon } from './icon';

/** How long it has been thinking, by this page's own clock, while it does. */
function useSeconds(isThinking: boolean): number {
  const seconds = useSignal(0);
  useEffect(() => {
    if (!isThinking) return undefined;
    const started = Date.now();
    const timer = setInterval(() => (seconds.value = Math.floor((Date.now() - started) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [isThinking, seconds]);
  return seconds.value;
}

/** What a model reasoned before it answered: folded, with the time that it took. */
export function Reasoning({ cell }: { readonly cell: Cell }) {
  // Computed, so that a token does not draw this component again.
  const hasReasoning = useComputed(() => cell.reasoning.value !== '');
  const hasText = useComputed(() => cell.text.value !== '');
  const message = cell.message.value;
  const isThinking = hasReasoning.value && isLive(message.status) && !hasText.value;
  const seconds = useSeconds(isThinking);
  if (!hasReasoning.value) return null;
  const took = message.timings?.reasoning_s ?? null;
  const thought = took === null ? 'Thought' : `Thought for ${span(Math.max(1, took))}`;
  return (
    <details class="reasoning">
      <summary>
        <Icon of={Brain} size={16} />
        {isThinking ? `Thinking${seconds > 0 ? `, ${span(seconds)}` : ''}` : thought}
      </summary>
      <div class="reasoning-text">{cell.reasoning}</div>
    </details>
  );
}
