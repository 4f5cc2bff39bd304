import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

interface Props {
  readonly words: string;
  /** What the second press says, with what it is about: "Yes, stop it". */
  readonly sure: string;
  readonly label?: string;
  readonly isSmall?: boolean;
  readonly isBusy?: boolean;
  readonly onSure: () => void;
}

/** The first press is taken back by itself after so long. */
const FORGET_MS = 6000;

/** An act that cannot be undone and is somebody else's loss: pressed twice. */
export function SureButton({ words, sure, label, isSmall = true, isBusy = false, onSure }: Props) {
  const isAsked = useSignal(false);
  useEffect(() => {
    if (!isAsked.value) return undefined;
    const timer = setTimeout(() => (isAsked.value = false), FORGET_MS);
    return () => clearTimeout(timer);
  }, [isAsked.value]);
  const press = (): void => {
    if (isAsked.value) onSure();
    isAsked.value = !isAsked.value;
  };
  return (
    <button type="button" class={isSmall ? 'button is-small is-bad' : 'button is-bad'} aria-disabled={isBusy} aria-label={isAsked.value ? sure : label} onClick={press}>
      {isAsked.value ? sure : words}
    </button>
  );
}
