import type { Provider, Session, Tunnel } from '../api/types';
import { endWords, filled, type AnyStatus } from '../words';

/** One step of the way from nothing to a model that answers. */
export interface Step {
  readonly name: 'session' | 'server' | 'tunnel';
  /** Null while its turn has not come. */
  readonly status: AnyStatus | null;
  readonly words: string;
}

function sessionStep(session: Session | null): Step {
  if (session === null) return { name: 'session', status: null, words: 'waiting for one' };
  const { status, host } = session;
  const isOver = status === 'stopped' || status === 'failed';
  const why = isOver ? (filled(session.end_message) ?? endWords(session.end_reason)) : filled(session.status_reason);
  const words = status === 'running' ? `running${host === null ? '' : ` on ${host}`}` : (why ?? status);
  return { name: 'session', status, words };
}

function serverStep(provider: Provider | null, tunnel: Tunnel | null): Step {
  if (provider === null || tunnel === null) return { name: 'server', status: null, words: 'not seen yet' };
  const kind = provider.server?.kind;
  const state = provider.status === 'running' ? (provider.models[0]?.name ?? 'ready') : (filled(provider.status_reason) ?? provider.status);
  return { name: 'server', status: provider.status, words: [kind, state].filter((part) => part !== undefined).join(', ') };
}

/** Session, server and tunnel as far as they have come. */
export function connectSteps(session: Session | null, tunnel: Tunnel | null, provider: Provider | null): readonly Step[] {
  const tunnelStep: Step =
    tunnel === null
      ? { name: 'tunnel', status: null, words: 'not open yet' }
      : { name: 'tunnel', status: tunnel.status, words: tunnel.status };
  return [sessionStep(session), serverStep(provider, tunnel), tunnelStep];
}

export function isReady(steps: readonly Step[]): boolean {
  return steps.every(({ status }) => status === 'running');
}

/**
 * The session that the panel follows: the one that was started from it, else the newest that came
 * since it was opened.
 */
export function followed(sessions: readonly Session[], startedId: string | null, before: ReadonlySet<string>): Session | null {
  if (startedId !== null) return sessions.find(({ id }) => id === startedId) ?? null;
  return sessions.find(({ id }) => !before.has(id)) ?? null;
}
