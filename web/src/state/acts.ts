import { signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import { sessions as api, tunnels as tunnelsApi } from '../api/hub';
import type { Provider, Session, Trouble, Tunnel } from '../api/types';
import { putSession, putTunnel, world } from './store';
import { removeWithUndo } from './undo';
import { go, path } from '../router';

/** What last went wrong with a session, by its id, so that its own page says so. */
export const sessionTroubles = signal<ReadonlyMap<string, Trouble>>(new Map());

function noteTrouble(id: string, trouble: Trouble | null): void {
  const next = new Map(sessionTroubles.peek());
  if (trouble === null) next.delete(id);
  else next.set(id, trouble);
  sessionTroubles.value = next;
}

async function attempt(sessionId: string, act: () => Promise<void>): Promise<void> {
  noteTrouble(sessionId, null);
  try {
    await act();
  } catch (error) {
    noteTrouble(sessionId, toTrouble(error));
  }
}

export const restartSession = (id: string): Promise<void> => attempt(id, async () => putSession(await api.restart(id)));
export const keepSession = (id: string): Promise<void> => attempt(id, async () => putSession(await api.keep(id)));
export const renewSession = (id: string): Promise<void> => attempt(id, async () => putSession(await api.renew(id)));
export const stopSession = (id: string): Promise<void> => attempt(id, async () => putSession(await api.stop(id)));

export const startTunnel = ({ id, session_id: sessionId }: Tunnel): Promise<void> =>
  attempt(sessionId, async () => putTunnel(await tunnelsApi.start(id)));
export const stopTunnel = ({ id, session_id: sessionId }: Tunnel): Promise<void> =>
  attempt(sessionId, async () => putTunnel(await tunnelsApi.stop(id)));
export const setOpenai = ({ id, session_id: sessionId }: Tunnel, openai: boolean): Promise<void> =>
  attempt(sessionId, async () => putTunnel(await tunnelsApi.setOpenai(id, openai)));

/** One way to have a provider back. */
export interface Revival {
  readonly words: 'Restart' | 'Start tunnel';
  readonly act: () => Promise<void>;
}

/**
 * How a provider that does not run can be had back from here: its tunnel alone where the session still
 * runs, else the session. Null for one that was opened by hand: only its own command brings it back.
 */
export function revivalOf(provider: Provider): Revival | null {
  const session = provider.session === null ? undefined : world.value.sessions.get(provider.session.id);
  const tunnel = provider.tunnel === null ? undefined : world.value.tunnels.get(provider.tunnel.id);
  if (session === undefined) return null;
  if (session.status === 'running' && tunnel?.status === 'stopped') return { words: 'Start tunnel', act: () => startTunnel(tunnel) };
  if (session.attached) return null;
  return { words: 'Restart', act: () => restartSession(session.id) };
}

export function removeSession(session: Session): void {
  removeWithUndo(session.id, `Session ${session.name} removed.`, (keepalive) => api.remove(session.id, keepalive));
  if (path.peek() === `/sessions/${session.id}`) go('/sessions', { replace: true });
}
