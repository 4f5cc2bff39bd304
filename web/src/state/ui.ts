import { signal } from '@preact/signals';

/** Which of the page's own panels are open. */
export const isDrawerOpen = signal(false);
export const isConnectOpen = signal(false);
export const isPickerOpen = signal(false);

export function openConnect(): void {
  isDrawerOpen.value = false;
  isConnectOpen.value = true;
}
