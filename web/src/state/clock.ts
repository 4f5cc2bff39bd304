import { signal } from '@preact/signals';

/** The time that the page shows things by; moves every ten seconds, and never while nobody looks. */
export const now = signal(Date.now());

export function startClock(): void {
  const tick = (): void => {
    if (document.visibilityState === 'visible') now.value = Date.now();
  };
  setInterval(tick, 10_000);
  document.addEventListener('visibilitychange', tick);
}
