/** Times, sizes and statuses in words that a person uses. `now` is an argument: nothing here reads a clock. */
import type { EndReason, ProviderStatus, SessionStatus, TunnelStatus } from './api/types';

export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}\u00a0s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return s % 60 === 0 || minutes >= 10 ? `${minutes}\u00a0min` : `${minutes}\u00a0min ${s % 60}\u00a0s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours}\u00a0h` : `${hours}\u00a0h ${minutes % 60}\u00a0min`;
  return `${Math.floor(hours / 24)}\u00a0days`;
}

export function secondsBetween(from: string, to: string | number): number {
  const end = typeof to === 'number' ? to : Date.parse(to);
  return (end - Date.parse(from)) / 1000;
}

/** "3 h 12 min left", or null when no end is known. */
export function timeLeft(endsAt: string | null | undefined, now: number): string | null {
  if (endsAt === null || endsAt === undefined) return null;
  const left = (Date.parse(endsAt) - now) / 1000;
  return left <= 0 ? 'time is up' : `${span(left)} left`;
}

export function ago(time: string, now: number): string {
  const s = secondsBetween(time, now);
  if (s < 45) return 'just now';
  if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 86_400) return `${Math.round(s / 3600)} h ago`;
  return new Date(time).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

export function clockTime(time: string | number): string {
  const date = typeof time === 'number' ? new Date(time < 1e11 ? time * 1000 : time) : new Date(time);
  return date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
}

export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** Tokens a model can hold, as people say it: 32768 is "32k". */
export function contextLength(tokens: number | null): string | null {
  return tokens === null ? null : tokens >= 1000 ? `${Math.round(tokens / 1024)}k` : String(tokens);
}

/** GPUs as people count them: two of "NVIDIA A100-SXM4-80GB" are "2×A100-SXM4-80GB". */
export function gpuWords(names: readonly string[] | null | undefined): string | null {
  if (names === null || names === undefined || names.length === 0) return null;
  const counts = new Map<string, number>();
  for (const name of names) {
    const short = name.replace(/^(NVIDIA|AMD|Intel)\s+/i, '');
    counts.set(short, (counts.get(short) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => (count === 1 ? name : `${count}×${name}`)).join(', ');
}

const DAY_MS = 86_400_000;

/** The heading under which a chat of this day stands. */
export function dayGroup(time: string, now: number): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const at = Date.parse(time);
  if (at >= midnight) return 'Today';
  if (at >= midnight - DAY_MS) return 'Yesterday';
  if (at >= midnight - 7 * DAY_MS) return 'Last 7 days';
  if (at >= midnight - 30 * DAY_MS) return 'Last 30 days';
  return new Date(at).toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
}

export type Tone = 'good' | 'wait' | 'idle' | 'bad';
export type AnyStatus = SessionStatus | TunnelStatus | ProviderStatus;

const TONES: Readonly<Record<AnyStatus, Tone>> = {
  queued: 'wait',
  starting: 'wait',
  loading: 'wait',
  connecting: 'wait',
  reconnecting: 'wait',
  stopping: 'wait',
  running: 'good',
  stopped: 'idle',
  unreachable: 'bad',
  failed: 'bad',
};

export function toneOf(status: AnyStatus): Tone {
  return TONES[status];
}

const REASONS: Readonly<Record<EndReason, string>> = {
  user: 'stopped by you',
  walltime: 'time limit reached',
  idle: 'stopped because it was idle',
  cancelled: 'cancelled',
  preempted: 'taken by a job with priority',
  out_of_memory: 'out of memory',
  node_failure: 'the machine failed',
  server_exited: 'the model server ended',
  agent_lost: 'contact lost',
  rejected: 'refused by the cluster',
};

export function endWords(reason: EndReason | null): string {
  return reason === null ? 'ended' : REASONS[reason];
}

/** A text that says something; null for an empty one, which the hub sends for "nothing to say". */
export function filled(text: string | null | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}
