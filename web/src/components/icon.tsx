import './icon.css';
import type { IconNode } from 'lucide';
import { h } from 'preact';

interface IconProps {
  readonly of: IconNode;
  readonly size?: number;
}

/** A Lucide icon, drawn inline. It never carries meaning alone: the words are beside it or in a label. */
export function Icon({ of, size = 18 }: IconProps) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {of.map(([tag, attributes], index) => h(tag, { key: index, ...attributes }))}
    </svg>
  );
}

/** Underpass's mark: an arch with a way through it. */
export function Mark({ size = 24 }: { readonly size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="mark-ground" width="32" height="32" rx="8" />
      <path class="mark-arch" d="M6.5 22.5V17a9.5 9.5 0 0 1 19 0v5.5" />
      <path class="mark-way" d="M16 14.5v9" />
    </svg>
  );
}
