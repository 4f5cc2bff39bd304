import './chat-settings.css';
import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import type { Preset, Trouble } from '../api/types';
import { choose } from '../state/choice';
import type { Conversation } from '../state/conversation';
import { addPreset, loadPresets, presets } from '../state/presets';
import { fromForm, toForm, type SamplingForm } from '../state/sampling';
import { isChatSettingsOpen } from '../state/ui';
import { Dialog } from './dialog';
import { SamplingFields, type Change } from './sampling-fields';
import { TroubleNote } from './trouble';

function PresetChoice({ all, onChoose }: { readonly all: readonly Preset[]; readonly onChoose: (preset: Preset) => void }) {
  if (all.length === 0) return null;
  const pick = (id: string): void => {
    const preset = all.find((one) => one.id === id);
    if (preset !== undefined) onChoose(preset);
  };
  return (
    <div class="field">
      <label for="preset">Preset</label>
      <select id="preset" class="input" value="" onChange={(event) => pick(event.currentTarget.value)}>
        <option value="">Take one over…</option>
        {all.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
      </select>
    </div>
  );
}

/** Keeps what the form holds under a name, for other chats. */
function SaveAsPreset({ form, trouble }: { readonly form: SamplingForm; readonly trouble: Signal<Trouble | null> }) {
  const name = useSignal('');
  const save = async (): Promise<void> => {
    const read = fromForm(form);
    if (name.value.trim() === '' || !('settings' in read)) return;
    const { system_prompt: prompt, ...settings } = read.settings;
    try {
      await addPreset({ name: name.value.trim(), system_prompt: typeof prompt === 'string' ? prompt : '', settings, model: null });
      name.value = '';
    } catch (error) {
      trouble.value = toTrouble(error);
    }
  };
  return (
    <details>
      <summary>Keep as a preset</summary>
      <div class="field">
        <label for="preset-name">Name</label>
        <div class="chat-settings-row">
          <div class="field">
            <input id="preset-name" class="input" maxLength={100} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
          </div>
          <button type="button" class="button" aria-disabled={name.value.trim() === ''} onClick={() => void save()}>Keep</button>
        </div>
      </div>
    </details>
  );
}

/** System prompt and sampling of one chat: what goes with each of its requests. */
export function ChatSettings({ conversation }: { readonly conversation: Conversation }) {
  const form = useSignal(toForm(conversation.settings.peek()));
  const wrong = useSignal<{ readonly field: string; readonly words: string } | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  useEffect(() => void loadPresets(), []);
  const change: Change = (fields) => (form.value = { ...form.value, ...fields });
  const close = (): void => {
    isChatSettingsOpen.value = false;
  };
  const take = (preset: Preset): void => {
    form.value = toForm({ ...preset.settings, system_prompt: preset.system_prompt });
    if (preset.model !== null) choose(preset.model);
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const read = fromForm(form.value);
    wrong.value = 'settings' in read ? null : read;
    if (!('settings' in read)) return;
    close();
    void conversation.setSettings(read.settings);
  };
  return (
    <Dialog title="This chat" onClose={close}>
      <form class="chat-settings" onSubmit={save}>
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <PresetChoice all={presets.value} onChoose={take} />
        <SamplingFields form={form.value} change={change} wrong={wrong.value?.field ?? null} />
        <SaveAsPreset form={form.value} trouble={trouble} />
        {wrong.value !== null && <p class="field-wrong" role="alert">{wrong.value.words}</p>}
        <div class="chat-settings-acts">
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class="button is-main">Use</button>
        </div>
      </form>
    </Dialog>
  );
}
