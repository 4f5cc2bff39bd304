import type { TemplateParam } from '../api/types';

/** What a form holds: every field as it was typed. */
export type Typed = Readonly<Record<string, string>>;

/** A parameter's default as text for its field. */
export function typedDefault(param: TemplateParam): string {
  const value = param.default;
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(String).join(' ');
  if (typeof value === 'object') {
    return Object.entries(value).map(([name, one]) => `${name}=${String(one)}`).join('\n');
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** `NAME=value`, one a line. */
function toTable(text: string): Readonly<Record<string, string>> {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return at === -1 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1)];
    }),
  );
}

function toValue(param: TemplateParam, text: string): unknown {
  switch (param.type) {
    case 'flag':
      return text === 'true';
    case 'number':
      // What is no number goes as it is: the hub names the field and says what it expects.
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case 'table':
      return toTable(text);
    default:
      return text;
  }
}

/** The request's params: only what was filled in, each in its own type. */
export function toParams(params: readonly TemplateParam[], typed: Typed): Readonly<Record<string, unknown>> {
  const textOf = (param: TemplateParam): string => (typed[param.name] ?? '').trim();
  const filled = params.filter((param) => (param.type === 'flag' ? textOf(param) === 'true' : textOf(param) !== ''));
  return Object.fromEntries(filled.map((param) => [param.name, toValue(param, textOf(param))]));
}
