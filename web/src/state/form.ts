import type { TemplateParam } from '../api/types';

/** What a form holds: every field as it was typed. */
export type Typed = Readonly<Record<string, string>>;

export function isFlag(param: TemplateParam): boolean {
  return param.type === 'bool' || param.type === 'boolean';
}

export function isNumber(param: TemplateParam): boolean {
  return ['int', 'integer', 'float', 'number'].includes(param.type);
}

/** Lists and tables are typed one entry a line. */
export function isLines(param: TemplateParam): boolean {
  return ['list', 'array', 'args', 'map', 'env', 'object'].includes(param.type) || typeof param.default === 'object';
}

/** A parameter's default as text for its field. */
export function typedDefault(param: TemplateParam): string {
  const value = param.default;
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(String).join('\n');
  if (typeof value === 'object') return Object.entries(value).map(([name, one]) => `${name}=${String(one)}`).join('\n');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

const lines = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');

function toValue(param: TemplateParam, text: string): unknown {
  if (isFlag(param)) return text === 'true';
  if (isNumber(param)) return Number(text);
  if (!isLines(param)) return text;
  const isMap = ['map', 'env', 'object'].includes(param.type) || !(Array.isArray(param.default) || param.default === null);
  if (!isMap || ['list', 'array', 'args'].includes(param.type)) return lines(text);
  return Object.fromEntries(lines(text).map((line) => {
    const at = line.indexOf('=');
    return at === -1 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
  }));
}

/** The request's params: only what was filled in, each in its own type. */
export function toParams(params: readonly TemplateParam[], typed: Typed): Readonly<Record<string, unknown>> {
  const filled = params.filter((param) => isFlag(param) || (typed[param.name] ?? '').trim() !== '');
  return Object.fromEntries(filled.map((param) => [param.name, toValue(param, (typed[param.name] ?? '').trim())]));
}
