import { useComputed, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Cell } from '../state/cells';
import { span } from '../words';
import { Status } from './status';

/** Says nothing for this long: most answers begin before. */
const PATIENCE_S = 2;

/** What is going on while nothing comes: stopping, a lost line, a long first token. */
export function Waiting({ cell }: { readonly cell: Cell }) {
  const waited = useSignal(0);
  // Computed, so that a token does not draw this component again.
  const hasText = useComputed(() => cell.text.value !== '' || cell.reasoning.value !== '').value;
  useEffect(() => {
    if (hasText) return undefined;
    const started = Date.now();
    const timer = setInterval(() => (waited.value = Math.floor((Date.now() - started) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [hasText, waited]);
  if (cell.isStopping.value) return <Note words="stopping" />;
  if (cell.link.value === 'retrying') {
    return <Note words="The line to the hub dropped; reconnecting. The answer goes on there and will be shown here." />;
  }
  const reason = cell.reason.value;
  if (reason !== null) return <Note words={reason} />;
  if (hasText) return null;
  return <Note words={waited.value < PATIENCE_S ? 'waiting for the first word' : `waiting for the first word, ${span(waited.value)}`} />;
}

function Note({ words }: { readonly words: string }) {
  return (
    <div class="waiting">
      <Status status="starting" words={words} isQuiet />
    </div>
  );
}
