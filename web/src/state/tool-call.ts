export interface ToolCall {
  readonly name: string;
  /** JSON with line breaks where it is JSON, else what the model wrote. */
  readonly args: string;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A tool call in OpenAI's shape, whatever a server left out of it. */
export function readCall(raw: Readonly<Record<string, unknown>>): ToolCall {
  const given = raw['function'];
  const fn = (typeof given === 'object' && given !== null ? given : raw) as Readonly<Record<string, unknown>>;
  const args = text(fn['arguments']);
  return { name: text(fn['name']) || 'without a name', args: pretty(args) };
}

function pretty(args: string): string {
  try {
    return JSON.stringify(JSON.parse(args), null, 2);
  } catch {
    return args;
  }
}
