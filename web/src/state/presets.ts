import { signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { presets as api, type PresetBody } from '../api/library';
import type { Preset, Trouble } from '../api/types';
import { removeWithUndo } from './undo';

/** System prompts and sampling that somebody keeps for many chats; by name. */
export const presets = signal<readonly Preset[]>([]);
export const presetsTrouble = signal<Trouble | null>(null);
export const arePresetsKnown = signal(false);

const byName = (a: Preset, b: Preset): number => a.name.localeCompare(b.name);

export async function loadPresets(): Promise<void> {
  try {
    presets.value = [...(await api.list()).items].sort(byName);
    presetsTrouble.value = null;
    arePresetsKnown.value = true;
  } catch (error) {
    presetsTrouble.value = toTrouble(error);
  }
}

/** Throws what the hub says, for the form to show. */
export async function addPreset(body: PresetBody): Promise<void> {
  presets.value = [...presets.peek(), await api.create(body)].sort(byName);
}

export async function changePreset(id: string, body: PresetBody): Promise<void> {
  const changed = await api.change(id, body);
  presets.value = [...presets.peek().filter((one) => one.id !== id), changed].sort(byName);
}

export function removePreset(preset: Preset): void {
  removeWithUndo(preset.id, `Preset ${preset.name} deleted.`, async (keepalive) => {
    await api.remove(preset.id, keepalive);
    presets.value = presets.peek().filter(({ id }) => id !== preset.id);
  });
}
