import { useLayoutEffect, useRef } from 'preact/hooks';
import type { RefObject } from 'preact';

interface Modal {
  readonly ref: RefObject<HTMLDialogElement | null>;
  readonly onClose: () => void;
}

/**
 * A `<dialog>` that is modal as long as it is there: the browser keeps the focus in it and closes it on Escape.
 *
 * The browser says `close` a moment after it happened. By then the same panel may be open anew, and a word about the old
 * one must not close it: only a dialog that is still on the page is listened to.
 */
export function useModal(close: () => void): Modal {
  const ref = useRef<HTMLDialogElement>(null);
  // Before the frame is drawn: what is typed at a panel that one sees goes into it.
  useLayoutEffect(() => {
    const element = ref.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  const onClose = (): void => {
    if (ref.current !== null) close();
  };
  return { ref, onClose };
}
