import './dialog.css';
import { X } from 'lucide';
import type { ComponentChildren } from 'preact';
import { Icon } from './icon';
import { useModal } from './modal';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  /** One of its fields takes the keyboard, instead of its title. */
  readonly isForm?: boolean;
  readonly children: ComponentChildren;
}

/** A panel above the page. */
export function Dialog({ title, onClose, isForm = false, children }: DialogProps) {
  const modal = useModal(onClose);
  return (
    <dialog
      ref={modal.ref}
      class="dialog"
      aria-labelledby="dialog-title"
      onClose={modal.onClose}
      onClick={(event) => {
        if (event.target === modal.ref.current) onClose();
      }}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id="dialog-title" tabindex={-1} autofocus={!isForm}>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
            <Icon of={X} />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
