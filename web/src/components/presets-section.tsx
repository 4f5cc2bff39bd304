import { useSignal } from '@preact/signals';
import { Plus } from 'lucide';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import type { Preset, Trouble } from '../api/types';
import { addPreset, arePresetsKnown, changePreset, loadPresets, presets, presetsTrouble, removePreset } from '../state/presets';
import { fromForm, NUMBERS, toForm } from '../state/sampling';
import { hidden } from '../state/store';
import { Dialog } from './dialog';
import { Icon } from './icon';
import { SamplingFields } from './sampling-fields';
import { TroubleNote } from './trouble';

/** What a preset does, in one line. */
export function presetFacts({ system_prompt: prompt, settings }: Preset): string {
  const numbers = NUMBERS.flatMap(({ name, label }) => (typeof settings[name] === 'number' ? [`${label.toLowerCase()} ${settings[name]}`] : []));
  return [prompt.trim(), ...numbers].filter((part) => part !== '').join(' · ') || 'the model server’s own settings';
}

/** A preset as a form; null makes a new one. */
function PresetDialog({ preset, onClose }: { readonly preset: Preset | null; readonly onClose: () => void }) {
  const name = useSignal(preset?.name ?? '');
  const form = useSignal(toForm({ ...preset?.settings, system_prompt: preset?.system_prompt ?? '' }));
  const wrong = useSignal<string | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const read = fromForm(form.value);
    wrong.value = 'settings' in read ? null : read.field;
    trouble.value = 'settings' in read ? null : { code: 'field', message: read.words };
    if (!('settings' in read)) return;
    const { system_prompt: prompt, ...settings } = read.settings;
    const body = { name: name.value.trim(), system_prompt: typeof prompt === 'string' ? prompt : '', settings, model: preset?.model ?? null };
    try {
      await (preset === null ? addPreset(body) : changePreset(preset.id, body));
      onClose();
    } catch (error) {
      trouble.value = toTrouble(error);
    }
  };
  return (
    <Dialog title={preset === null ? 'New preset' : `Preset ${preset.name}`} onClose={onClose}>
      <form class="chat-settings" onSubmit={(event) => void save(event)}>
        <div class="field">
          <label for="preset-title">Name</label>
          <input id="preset-title" class="input" required maxLength={100} autocomplete="off" placeholder="Reviewer" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        </div>
        <SamplingFields form={form.value} change={(fields) => (form.value = { ...form.value, ...fields })} wrong={wrong.value} />
        {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
        <div class="chat-settings-acts">
          <button type="button" class="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="button is-main">Keep</button>
        </div>
      </form>
    </Dialog>
  );
}

function PresetRow({ preset, onEdit }: { readonly preset: Preset; readonly onEdit: () => void }) {
  return (
    <li class="row-item">
      <div class="row-words">
        <span class="row-name">{preset.name}</span>
        <p class="row-facts preset-facts">{presetFacts(preset)}</p>
      </div>
      <div class="row-acts">
        <button type="button" class="button is-small" aria-label={`Edit ${preset.name}`} onClick={onEdit}>Edit</button>
        <button type="button" class="button is-small is-bad" aria-label={`Delete ${preset.name}`} onClick={() => removePreset(preset)}>Delete</button>
      </div>
    </li>
  );
}

/** System prompts and sampling to take over into any chat. */
export function PresetsSection() {
  const edited = useSignal<Preset | 'new' | null>(null);
  useEffect(() => void loadPresets(), []);
  const shown = presets.value.filter(({ id }) => !hidden.value.has(id));
  const close = (): void => {
    edited.value = null;
  };
  return (
    <section class="section" aria-labelledby="presets">
      <h2 id="presets">Presets</h2>
      <p class="section-lead">A system prompt and sampling under a name. A chat takes one over in its own settings, below the message.</p>
      {presetsTrouble.value !== null && (
        <TroubleNote trouble={presetsTrouble.value}>
          <button type="button" class="button is-small" onClick={() => void loadPresets()}>Try again</button>
        </TroubleNote>
      )}
      {shown.length > 0 && <ul class="rows">{shown.map((preset) => <PresetRow key={preset.id} preset={preset} onEdit={() => (edited.value = preset)} />)}</ul>}
      {shown.length === 0 && arePresetsKnown.value && <p class="quiet">None yet. One for code reviews and one for translations is a good beginning.</p>}
      <div><button type="button" class="button" onClick={() => (edited.value = 'new')}><Icon of={Plus} size={16} /> New preset</button></div>
      {edited.value !== null && <PresetDialog preset={edited.value === 'new' ? null : edited.value} onClose={close} />}
    </section>
  );
}
