import '../pages/door.css';
import './dialog.css';
import { useEffect, useRef } from 'preact/hooks';
import { onSignedInElsewhere, SIGNED_IN_PATH } from '../state/doors';
import { account, comeBack, standing } from '../state/store';
import { IssuerButtons } from './issuer-buttons';
import { SignInForm } from './sign-in-form';

/** A sign-in that expired: above the page, which keeps all that is on it. Escape does not close it. */
export function SignInAgain() {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = standing.value === 'expired';
  useEffect(() => {
    const element = dialog.current;
    if (!isOpen) return undefined;
    element?.showModal();
    return () => element?.close();
  }, [isOpen]);
  useEffect(() => (isOpen ? onSignedInElsewhere(() => void comeBack()) : undefined), [isOpen]);
  if (!isOpen) return null;
  return (
    <dialog ref={dialog} class="dialog is-narrow" aria-labelledby="again-title" onCancel={(event) => event.preventDefault()}>
      <div class="dialog-body">
        <div class="dialog-head"><h2 id="again-title">Sign in again</h2></div>
        <p class="quiet">Your sign-in has ended. Nothing is lost: answers go on at the hub, and what you typed is still here.</p>
        <IssuerButtons next={SIGNED_IN_PATH} isBeside />
        <SignInForm knownName={account.value?.name ?? ''} onSignedIn={comeBack} />
      </div>
    </dialog>
  );
}
