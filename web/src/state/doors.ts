import { signal } from '@preact/signals';
import type { Issuer, Trouble } from '../api/types';

/** The issuers that sign people in here, besides name and password. */
export const issuers = signal<readonly Issuer[]>([]);
/** Why the last sign-in at an issuer came to nothing. */
export const issuerTrouble = signal<Trouble | null>(null);

/** Where a tab ends that was opened only to sign in. */
export const SIGNED_IN_PATH = '/sign-in/done';
const CHANNEL = 'underpass.sign-in';

/** The page to come back to: where the browser is, unless that is a door itself. */
export function nextOf(here: URL): string {
  return /^\/(sign-in|setup)(\/|$)/.test(here.pathname) ? '/' : `${here.pathname}${here.search}`;
}

/** The address of an issuer's button: the hub sends the browser on to the issuer's own page. */
export function issuerPath(name: string, next: string): string {
  return `/api/auth/openid/${encodeURIComponent(name)}?next=${encodeURIComponent(next)}`;
}

/** What the sign-in page's address says about a failed sign-in, as the hub wants to be asked for its words. */
export function askedTrouble(here: URL): string {
  const code = here.searchParams.get('trouble');
  if (here.pathname !== '/sign-in' || code === null) return '';
  const query = new URLSearchParams({ trouble: code.slice(0, 64), issuer: (here.searchParams.get('issuer') ?? '').slice(0, 64) });
  return `?${query.toString()}`;
}

/** Tells this browser's other tabs that somebody has signed in. */
export function tellSignedIn(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('in');
  channel.close();
}

/** Calls back when another tab has signed in; answers what ends the listening. */
export function onSignedInElsewhere(then: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener('message', then);
  return () => channel.close();
}
