import './trouble.css';
import { TriangleAlert } from 'lucide';
import type { ComponentChildren } from 'preact';
import type { Trouble } from '../api/types';
import { Icon } from './icon';
import { Said } from './said';

interface TroubleNoteProps {
  readonly trouble: Trouble;
  /** The one thing to do about it. */
  readonly children?: ComponentChildren;
}

/** Trouble speaks where it happens: what it is, what to do, and one action. */
export function TroubleNote({ trouble, children }: TroubleNoteProps) {
  return (
    <div class="trouble" role="alert">
      <Icon of={TriangleAlert} size={18} />
      <div class="trouble-words">
        <p><Said text={trouble.message} /></p>
        {typeof trouble.hint === 'string' && trouble.hint !== '' && <p class="trouble-hint"><Said text={trouble.hint} /></p>}
      </div>
      {children}
    </div>
  );
}
