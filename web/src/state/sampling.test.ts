import { describe, expect, it } from 'vitest';
import { fromForm, toForm } from './sampling';

describe('the settings of a chat as a form', () => {
  it('come back as they were, with fields that the form does not know', () => {
    const settings = { system_prompt: 'Be brief.', temperature: 0, max_tokens: 200, top_k: 40, stop: ['\n'] };
    expect(fromForm(toForm(settings))).toEqual({ settings });
    expect(fromForm(toForm({}))).toEqual({ settings: {} });
  });

  it('leave out what is empty, and read a comma as a point', () => {
    const form = { ...toForm({}), numbers: { temperature: ' 0,7 ', top_p: '', max_tokens: ' ', seed: '' } };
    expect(fromForm(form)).toEqual({ settings: { temperature: 0.7 } });
  });

  it.each([
    ['temperature', '3', 'from 0 to 2'],
    ['top_p', 'x', 'a number'],
    ['max_tokens', '1.5', 'a whole number from 1'],
    ['seed', '-1', 'from 0'],
  ] as const)('say which field is wrong: %s %s', (name, text, words) => {
    const form = toForm({});
    const read = fromForm({ ...form, numbers: { ...form.numbers, [name]: text } });
    expect(read).toMatchObject({ field: name });
    expect('words' in read && read.words).toContain(words);
  });

  it('want one JSON object for the rest', () => {
    for (const other of ['[1]', '{"a":', '3']) expect(fromForm({ ...toForm({}), other })).toMatchObject({ field: 'other' });
  });
});
