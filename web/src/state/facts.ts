import type { Message } from '../api/types';

function shortTime(seconds: number): string {
  return seconds < 0.1 ? `${Math.round(seconds * 1000)}\u00a0ms` : `${seconds.toFixed(seconds < 10 ? 1 : 0)}\u00a0s`;
}

function place({ provider }: Message): string | null {
  if (provider === null) return null;
  const { name, session_name: session, host } = provider;
  const from = session !== null && session !== name ? `${name}, session ${session}` : name;
  return host === null ? from : `${from} on ${host}`;
}

/** Which model on which session answered, how much it wrote, and how fast. */
export function factsOf(message: Message): readonly string[] {
  const { model, timings, usage } = message;
  const speed = timings?.tokens_per_s;
  const first = timings?.first_token_s;
  const tokens = usage?.['completion_tokens'];
  return [
    model === null ? null : model.slice(model.indexOf('/') + 1),
    place(message),
    typeof tokens === 'number' ? `${tokens.toLocaleString('en')}\u00a0${tokens === 1 ? 'token' : 'tokens'}` : null,
    typeof speed === 'number' ? `${speed >= 10 ? Math.round(speed) : speed.toFixed(1)}\u00a0tok/s` : null,
    typeof first === 'number' ? `first token ${shortTime(first)}` : null,
  ].filter((part) => part !== null && part !== '') as readonly string[];
}
