import './chat-settings.css';
import { NUMBERS, type SamplingForm } from '../state/sampling';

export type Change = (fields: Partial<SamplingForm>) => void;

interface FieldsProps {
  readonly form: SamplingForm;
  readonly change: Change;
  /** The field that was found wrong. */
  readonly wrong: string | null;
}

function Numbers({ form, change, wrong }: FieldsProps) {
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

function Other({ form, change, wrong }: FieldsProps) {
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

/** System prompt, the numbers that people turn, and every other request field: of a chat, or of a preset. */
export function SamplingFields({ form, change, wrong }: FieldsProps) {
  return (
    <>
      <div class="field">
        <label for="set-prompt">System prompt</label>
        <textarea
          id="set-prompt"
          class="input chat-settings-prompt"
          dir="auto"
          placeholder="What the model is told before the first message"
          value={form.systemPrompt}
          onInput={(event) => change({ systemPrompt: event.currentTarget.value })}
        />
      </div>
      <Numbers form={form} change={change} wrong={wrong} />
      <Other form={form} change={change} wrong={wrong} />
    </>
  );
}
