import { signal } from '@preact/signals';
import { toTrouble } from '../api/errors';
import type { Trouble } from '../api/types';
import { hidden } from './store';

/** Destructive acts wait ten seconds, in which they can be taken back. */
export const UNDO_MS = 10_000;

export interface Pending {
  readonly id: string;
  readonly words: string;
}

export const pending = signal<readonly Pending[]>([]);
export const undoTrouble = signal<Trouble | null>(null);

interface Plan {
  readonly commit: (keepalive: boolean) => Promise<unknown>;
  readonly timer: ReturnType<typeof setTimeout>;
}
const plans = new Map<string, Plan>();

/** Hides the row `id` now and calls `commit` in ten seconds, unless it is taken back. */
export function removeWithUndo(id: string, words: string, commit: (keepalive: boolean) => Promise<unknown>): void {
  const timer = setTimeout(() => void carryOut(id), UNDO_MS);
  plans.set(id, { commit, timer });
  hidden.value = new Set([...hidden.value, id]);
  pending.value = [...pending.value, { id, words }];
}

export function undo(id: string): void {
  clearTimeout(plans.get(id)?.timer);
  forget(id);
  show(id);
}

async function carryOut(id: string, keepalive = false): Promise<void> {
  const plan = plans.get(id);
  if (plan === undefined) return;
  clearTimeout(plan.timer);
  forget(id);
  try {
    await plan.commit(keepalive);
  } catch (error) {
    undoTrouble.value = toTrouble(error);
    show(id);
  }
}

function forget(id: string): void {
  plans.delete(id);
  pending.value = pending.value.filter((one) => one.id !== id);
}

function show(id: string): void {
  hidden.value = new Set([...hidden.value].filter((other) => other !== id));
}

/** Leaving the page is not taking back: what was asked for is done. */
export function startUndo(): void {
  window.addEventListener('pagehide', () => {
    for (const id of plans.keys()) void carryOut(id, true);
  });
}
