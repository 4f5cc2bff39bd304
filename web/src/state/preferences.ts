import { effect, signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { preferences as api } from '../api/library';
import type { Preferences, Trouble } from '../api/types';
import { returns, standing } from './store';
import { readStored, writeStored } from './stored';
import { chooseTheme, theme, type Theme } from './theme';

/**
 * What a person prefers, kept at the hub so that every browser knows it. This browser remembers the last
 * known state, so that the page does not wait for it.
 */
const KEY = 'underpass.preferences';
type SendKey = Preferences['send_key'];

function remembered(): Partial<Preferences> {
  try {
    const parsed: unknown = JSON.parse(readStored(KEY) ?? '{}');
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

const first = remembered();
export const sendKey = signal<SendKey>(first.send_key === 'ctrl_enter' ? 'ctrl_enter' : 'enter');
/** Model ids that stand first in the picker. */
export const favourites = signal<ReadonlySet<string>>(new Set(Array.isArray(first.favourites) ? first.favourites : []));
export const preferencesTrouble = signal<Trouble | null>(null);

function take(known: Preferences): void {
  sendKey.value = known.send_key;
  favourites.value = new Set(known.favourites);
  if (known.theme !== null && known.theme !== theme.peek()) chooseTheme(known.theme);
  writeStored(KEY, JSON.stringify({ send_key: known.send_key, favourites: known.favourites }));
}

/** Shows a change at once; the hub's refusal is said on the settings page and takes it back. */
async function change(fields: Partial<Preferences>, show: () => void, takeBack: () => void): Promise<void> {
  preferencesTrouble.value = null;
  show();
  try {
    take(await api.change(fields));
  } catch (error) {
    takeBack();
    preferencesTrouble.value = toTrouble(error);
  }
}

export function chooseSendKey(choice: SendKey): Promise<void> {
  const old = sendKey.peek();
  return change({ send_key: choice }, () => (sendKey.value = choice), () => (sendKey.value = old));
}

export function preferTheme(choice: Theme): Promise<void> {
  const old = theme.peek();
  return change({ theme: choice }, () => chooseTheme(choice), () => chooseTheme(old));
}

export function toggleFavourite(modelId: string): Promise<void> {
  const old = favourites.peek();
  const next = new Set(old);
  if (!next.delete(modelId)) next.add(modelId);
  return change({ favourites: [...next] }, () => (favourites.value = next), () => (favourites.value = old));
}

async function read(): Promise<void> {
  try {
    take(await api.get());
  } catch {
    // The last known state stays; the settings page says so when something is changed.
  }
}

export function startPreferences(): void {
  effect(() => {
    if (standing.value === 'in' && returns.value >= 0) void read();
  });
}
