import './chat-settings.css';
import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import { presets as api } from '../api/library';
import type { Preset, Trouble } from '../api/types';
import { choose } from '../state/choice';
import type { Conversation } from '../state/conversation';
import { fromForm, NUMBERS, toForm, type SamplingForm } from '../state/sampling';
import { isChatSettingsOpen } from '../state/ui';
import { Dialog } from './dialog';
import { TroubleNote } from './trouble';

type Change = (fields: Partial<SamplingForm>) => void;

function usePresets(trouble: Signal<Trouble | null>) {
  const all = useSignal<readonly Preset[]>([]);
  useEffect(() => {
    api.list().then((page) => (all.value = page.items), (error: unknown) => (trouble.value = toTrouble(error)));
  }, [all, trouble]);
  return all;
}

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

function Numbers({ form, change, wrong }: { readonly form: SamplingForm; readonly change: Change; readonly wrong: string | null }) {
  return (
    <div class="chat-settings-numbers">
      {NUMBERS.map(({ name, label, help }) => (
        <div key={name} class="field">
          <label for={`set-${name}`}>{label}</label>
          <input
            id={`set-${name}`}
            class="input"
            inputMode="decimal"
            autocomplete="off"
            placeholder="the server’s own"
            value={form.numbers[name]}
            aria-invalid={wrong === name}
            aria-describedby={`help-${name}`}
            onInput={(event) => change({ numbers: { ...form.numbers, [name]: event.currentTarget.value } })}
          />
          <span id={`help-${name}`} class="help">{help}</span>
        </div>
      ))}
    </div>
  );
}

function Other({ form, change, wrong }: { readonly form: SamplingForm; readonly change: Change; readonly wrong: string | null }) {
  return (
    <details open={form.other !== ''}>
      <summary>Other request fields</summary>
      <div class="field">
        <label for="set-other">As JSON, sent to the model server as they are</label>
        <textarea
          id="set-other"
          class="input chat-settings-other"
          spellcheck={false}
          placeholder='{"top_k": 40}'
          value={form.other}
          aria-invalid={wrong === 'other'}
          onInput={(event) => change({ other: event.currentTarget.value })}
        />
      </div>
    </details>
  );
}

/** Keeps what the form holds under a name, for other chats. */
function SaveAsPreset({ form, all, trouble }: { readonly form: SamplingForm; readonly all: Signal<readonly Preset[]>; readonly trouble: Signal<Trouble | null> }) {
  const name = useSignal('');
  const save = async (): Promise<void> => {
    const read = fromForm(form);
    if (name.value.trim() === '' || !('settings' in read)) return;
    const { system_prompt: prompt, ...settings } = read.settings;
    try {
      const made = await api.create({ name: name.value.trim(), system_prompt: typeof prompt === 'string' ? prompt : '', settings, model: null });
      all.value = [...all.value, made];
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
  const all = usePresets(trouble);
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
        <PresetChoice all={all.value} onChoose={take} />
        <div class="field">
          <label for="set-prompt">System prompt</label>
          <textarea
            id="set-prompt"
            class="input chat-settings-prompt"
            dir="auto"
            placeholder="What the model is told before the first message"
            value={form.value.systemPrompt}
            onInput={(event) => change({ systemPrompt: event.currentTarget.value })}
          />
        </div>
        <Numbers form={form.value} change={change} wrong={wrong.value?.field ?? null} />
        <Other form={form.value} change={change} wrong={wrong.value?.field ?? null} />
        <SaveAsPreset form={form.value} all={all} trouble={trouble} />
        {wrong.value !== null && <p class="field-wrong" role="alert">{wrong.value.words}</p>}
        <div class="chat-settings-acts">
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class="button is-main">Use</button>
        </div>
      </form>
    </Dialog>
  );
}
