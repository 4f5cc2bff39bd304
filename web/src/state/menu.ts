import { signal } from '@preact/signals';
import type { IconNode } from 'lucide';

/** One line of a menu: it does something, or it leads somewhere (a file to save, a page). */
export interface MenuItem {
  readonly words: string;
  /** The same where nothing beside it says what it is about. */
  readonly full?: string;
  readonly icon: IconNode;
  readonly act?: () => void;
  readonly href?: string;
  /** The browser saves what is there instead of showing it. */
  readonly isDownload?: boolean;
  readonly isBad?: boolean;
}

export interface OpenMenu {
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** What it hangs from; has the focus again when the menu closes. */
  readonly anchor: HTMLElement;
}

/** The one menu that is open on the page, if any. */
export const menu = signal<OpenMenu | null>(null);

export function toggleMenu(next: OpenMenu): void {
  menu.value = menu.peek()?.anchor === next.anchor ? null : next;
}

export function closeMenu(isFocusKept = true): void {
  const open = menu.peek();
  menu.value = null;
  if (isFocusKept) open?.anchor.focus();
}

/** The line that begins with what was typed, from the one after `from` on and around; null when there is none. */
export function lineBeginning(items: readonly MenuItem[], typed: string, from: number): number | null {
  for (let step = 1; step <= items.length; step += 1) {
    const at = (from + step) % items.length;
    if (items[at]?.words.toLowerCase().startsWith(typed.toLowerCase()) === true) return at;
  }
  return null;
}

interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Where a menu of this size stands: below its anchor, else above it, and always within the window. */
export function menuPlace(anchor: Box, size: { width: number; height: number }, window: { width: number; height: number }): { left: number; top: number } {
  const gap = 4;
  const fitsBelow = anchor.bottom + gap + size.height <= window.height - gap;
  const top = fitsBelow ? anchor.bottom + gap : Math.max(gap, anchor.top - gap - size.height);
  const left = Math.min(Math.max(gap, anchor.left), window.width - size.width - gap);
  return { left: Math.max(gap, left), top };
}
