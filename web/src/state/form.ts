import type { Template, TemplateParam } from '../api/types';

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

/** Settings that every template has and few people need: behind "More settings". */
const MORE: ReadonlySet<string> = new Set(['args', 'env', 'cwd', 'cpus', 'memory', 'mem', 'partition', 'account', 'qos', 'shell', 'program', 'target']);

export function isMore(param: TemplateParam): boolean {
  return !param.required && MORE.has(param.name);
}

/** The template to begin with: the one chosen before, else one that needs nothing, else any that works. */
export function bestTemplate(all: readonly Template[], before: string | null): Template | null {
  const usable = all.filter(({ available }) => available);
  const same = usable.find(({ name }) => name === before);
  return same ?? usable.find(({ name }) => name !== 'custom') ?? usable[0] ?? null;
}

/** Why nothing can be started here, when all templates say the same; null when one can, or they differ. */
export function commonObstacle(all: readonly Template[]): string | null {
  const [first] = all;
  if (first === undefined || first.unavailable_reason === null) return null;
  return all.every((one) => !one.available && one.unavailable_reason === first.unavailable_reason) ? first.unavailable_reason : null;
}

/** What works here first, one's own command after the ready-made ones, what is missing last. */
export function usableFirst(all: readonly Template[]): readonly Template[] {
  const rank = ({ name, available }: Template): number => (available ? 0 : 2) + (name === 'custom' ? 1 : 0);
  return [...all].sort((a, b) => rank(a) - rank(b));
}
