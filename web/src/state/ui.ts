import { computed, signal } from '@preact/signals';
import { menu } from './menu';

/** Which of the page's own panels are open. */
export const isDrawerOpen = signal(false);
export const isConnectOpen = signal(false);
export const isPickerOpen = signal(false);
export const isPaletteOpen = signal(false);
export const isShortcutsOpen = signal(false);
/** System prompt and sampling of the chat in view. */
export const isChatSettingsOpen = signal(false);
/** The chat whose folder, or whose readers, are being chosen. */
export const moving = signal<string | null>(null);
export const sharing = signal<string | null>(null);

/** Whether Escape and single keys belong to a panel now, not to the page below it. */
export const isPanelOpen = computed(
  () =>
    [isDrawerOpen, isConnectOpen, isPickerOpen, isPaletteOpen, isShortcutsOpen, isChatSettingsOpen].some((one) => one.value) ||
    moving.value !== null ||
    sharing.value !== null ||
    menu.value !== null,
);

export function openConnect(): void {
  isDrawerOpen.value = false;
  isConnectOpen.value = true;
}

export function openPalette(): void {
  isDrawerOpen.value = false;
  isPaletteOpen.value = true;
}

export function openShortcuts(): void {
  isDrawerOpen.value = false;
  isShortcutsOpen.value = true;
}
