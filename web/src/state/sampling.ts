import type { Settings } from '../api/messages';

/** The settings of a chat as a form holds them: text, where empty means the model server's own choice. */
export interface SamplingForm {
  readonly systemPrompt: string;
  readonly numbers: Readonly<Record<NumberName, string>>;
  /** Every other request field, as JSON. */
  readonly other: string;
}

export type NumberName = 'temperature' | 'top_p' | 'max_tokens' | 'seed';

interface NumberField {
  readonly name: NumberName;
  readonly label: string;
  readonly help: string;
  readonly min: number;
  readonly max: number;
  readonly isWhole: boolean;
}

const WHOLE_MAX = 2_147_483_647;

export const NUMBERS: readonly NumberField[] = [
  { name: 'temperature', label: 'Temperature', help: '0 is the most likely word, 2 the wildest', min: 0, max: 2, isWhole: false },
  { name: 'top_p', label: 'Top p', help: 'Only the likeliest words that make up this share', min: 0, max: 1, isWhole: false },
  { name: 'max_tokens', label: 'Longest answer', help: 'In tokens', min: 1, max: WHOLE_MAX, isWhole: true },
  { name: 'seed', label: 'Seed', help: 'The same seed, the same answer, where a server can', min: 0, max: WHOLE_MAX, isWhole: true },
];

export function toForm(settings: Settings): SamplingForm {
  const { system_prompt: prompt, ...rest } = settings;
  const other: Record<string, unknown> = { ...rest };
  const numbers: Record<NumberName, string> = { temperature: '', top_p: '', max_tokens: '', seed: '' };
  for (const { name } of NUMBERS) {
    const value = other[name];
    if (typeof value !== 'number') continue;
    numbers[name] = String(value);
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the rest of the fields is what is wanted
    delete other[name];
  }
  const isEmpty = Object.keys(other).length === 0;
  return { systemPrompt: typeof prompt === 'string' ? prompt : '', numbers, other: isEmpty ? '' : JSON.stringify(other, null, 2) };
}

export type Read = { readonly settings: Settings } | { readonly field: string; readonly words: string };

function readOther(text: string): Readonly<Record<string, unknown>> | null {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

/** The form as settings, or the first field that is wrong and why. */
export function fromForm(form: SamplingForm): Read {
  const other = readOther(form.other);
  if (other === null) return { field: 'other', words: 'Other fields are one JSON object, such as {"top_k": 40}.' };
  const settings: Record<string, unknown> = { ...other };
  for (const { name, label, min, max, isWhole } of NUMBERS) {
    const text = form.numbers[name].trim().replace(',', '.');
    if (text === '') continue;
    const value = Number(text);
    if (Number.isNaN(value) || value < min || value > max || (isWhole && !Number.isInteger(value))) {
      const limit = max === WHOLE_MAX ? `from ${min}` : `from ${min} to ${max}`;
      return { field: name, words: `${label} is a ${isWhole ? 'whole number' : 'number'} ${limit}.` };
    }
    settings[name] = value;
  }
  if (form.systemPrompt.trim() !== '') settings['system_prompt'] = form.systemPrompt;
  return { settings };
}
