import './trouble.css';
import { TriangleAlert } from 'lucide';
import type { ComponentChildren } from 'preact';
import type { Trouble } from '../api/types';
import { Icon } from './icon';

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
        <p>{trouble.message}</p>
        {typeof trouble.hint === 'string' && trouble.hint !== '' && <p class="trouble-hint">{trouble.hint}</p>}
      </div>
      {children}
    </div>
  );
}
