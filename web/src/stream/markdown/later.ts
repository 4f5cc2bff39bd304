/** Work that can wait until the page has nothing better to do, a piece at a time. */
type Job = () => void;

const waiting: Job[] = [];
let isAsked = false;
/** A piece is not begun with less time than this left in a frame. */
const ENOUGH_MS = 6;
/** Nobody waits longer than this, however busy the page is. */
const LATEST_MS = 400;

function ask(): void {
  if (isAsked) return;
  isAsked = true;
  if (typeof requestIdleCallback === 'function') requestIdleCallback(work, { timeout: LATEST_MS });
  else setTimeout(() => work(null), 1);
}

function work(deadline: IdleDeadline | null): void {
  isAsked = false;
  do waiting.shift()?.();
  while (waiting.length > 0 && (deadline?.timeRemaining() ?? 0) > ENOUGH_MS);
  if (waiting.length > 0) ask();
}

/** Resolves when it is this one's turn. */
export function later(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    ask();
  });
}
