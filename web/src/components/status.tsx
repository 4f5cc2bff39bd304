import './status.css';
import { toneOf, type AnyStatus, type Tone } from '../words';

/** A shape of its own for each tone, so that colour is never needed: disc, open ring, square, triangle. */
function Shape({ tone }: { readonly tone: Tone }) {
  switch (tone) {
    case 'good':
      return <circle class="shape-fill" cx="6" cy="6" r="4.25" />;
    case 'wait':
      return <circle class="shape-ring" cx="6" cy="6" r="4" pathLength="100" />;
    case 'idle':
      return <rect class="shape-line" x="2.25" y="2.25" width="7.5" height="7.5" rx="1.5" />;
    case 'bad':
      return <path class="shape-fill" d="M6 1.1 11.4 10.6H.6Z" />;
  }
}

interface StatusProps {
  readonly status: AnyStatus;
  /** Words instead of the status itself, for instance "loading weights". */
  readonly words?: string | undefined;
  readonly isQuiet?: boolean;
}

/** A status as a shape and a word. */
export function Status({ status, words, isQuiet = false }: StatusProps) {
  const tone = toneOf(status);
  return (
    <span class={`status is-${tone}${isQuiet ? ' is-quiet' : ''}`}>
      <svg class="status-shape" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
        <Shape tone={tone} />
      </svg>
      <span class="status-word">{words ?? status}</span>
    </span>
  );
}
