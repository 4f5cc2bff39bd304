import { useComputed, useSignal } from '@preact/signals';
import { ArrowRightLeft, X } from 'lucide';
import { useEffect, useRef } from 'preact/hooks';
import type { WaitingFor } from '../api/types';
import type { Cell } from '../state/cells';
import type { Conversation } from '../state/conversation';
import { choose } from '../state/choice';
import { toggleMenu } from '../state/menu';
import { modelItems } from '../state/model-items';
import { providers, world } from '../state/store';
import { span } from '../words';
import { Icon } from './icon';
import { ReviveButton } from './revive';
import { Said } from './said';
import { Status } from './status';
import type { MessageProps } from './versions';

/** Says nothing for this long: most answers begin before. */
const PATIENCE_S = 2;

function useWaited(isWaiting: boolean): number {
  const waited = useSignal(0);
  useEffect(() => {
    if (!isWaiting) return undefined;
    const started = Date.now();
    const timer = setInterval(() => (waited.value = Math.floor((Date.now() - started) / 1000)), 1000);
    return () => clearInterval(timer);
  }, [isWaiting, waited]);
  return waited.value;
}

/** What is going on while nothing comes: a place that is not up, stopping, a lost line, a long first token. */
export function Waiting({ cell, conversation }: MessageProps) {
  // Computed, so that a token does not draw this component again.
  const hasText = useComputed(() => cell.text.value !== '' || cell.reasoning.value !== '').value;
  const waited = useWaited(!hasText);
  const { waiting } = cell.message.value;
  if (cell.isStopping.value) return <Note words="stopping" />;
  if (cell.link.value === 'retrying') {
    return <Note words="The line to the hub dropped; reconnecting. The answer goes on there and will be shown here." />;
  }
  if (waiting !== null) return <WaitingCard cell={cell} conversation={conversation} waiting={waiting} />;
  const reason = cell.reason.value;
  if (reason !== null) return <Note words={reason} />;
  if (hasText) return null;
  return <Note words={waited < PATIENCE_S ? 'waiting for the first word' : `waiting for the first word, ${span(waited)}`} />;
}

function Note({ words }: { readonly words: string }) {
  return (
    <div class="waiting">
      <Status status="starting" words={words} isQuiet />
    </div>
  );
}

/** `waiting` in words: the hub's sentence, and about how long. */
export function waitingWords({ message, estimate_s: estimate }: WaitingFor): string {
  return estimate === null ? message : `${message.replace(/\.$/, '')}, about ${span(estimate)}.`;
}

interface CardProps extends MessageProps {
  readonly waiting: WaitingFor;
}

/** A message that waits for its provider: what is going on there, and the three things one can do. */
function WaitingCard({ cell, conversation, waiting }: CardProps) {
  const provider = world.value.providers.get(waiting.provider_id ?? '');
  return (
    <div class="waiting-card" role="status">
      <Status status={provider?.status ?? 'stopped'} />
      <p class="waiting-words">
        <strong>Your message waits.</strong> <Said text={waitingWords(waiting)} /> It is sent by itself as soon as {waiting.provider_name} runs.
      </p>
      <div class="waiting-acts">
        {waiting.can_restart && <ReviveButton providerId={waiting.provider_id} />}
        <Elsewhere cell={cell} conversation={conversation} />
        <button type="button" class="button is-small" onClick={() => void conversation.stop(cell)}>
          <Icon of={X} size={15} /> Cancel
        </button>
      </div>
    </div>
  );
}

function Elsewhere({ cell, conversation }: { readonly cell: Cell; readonly conversation: Conversation }) {
  const button = useRef<HTMLButtonElement>(null);
  const move = (model: string): void => {
    choose(model);
    void conversation.move(cell, model);
  };
  const items = modelItems(providers.value, move, cell.message.value.model);
  if (items.length === 0) return null;
  const open = (): void => {
    if (button.current !== null) toggleMenu({ label: 'Send elsewhere', items, anchor: button.current });
  };
  return (
    <button ref={button} type="button" class="button is-small" aria-haspopup="menu" onClick={open}>
      <Icon of={ArrowRightLeft} size={15} /> Send elsewhere
    </button>
  );
}
