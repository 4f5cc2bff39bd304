/** Where the page puts the keyboard. Found by id, so that a page need not know who draws the field. */
export function focusOn(id: string): void {
  document.getElementById(id)?.focus();
}

export const focusComposer = (): void => focusOn('message');
