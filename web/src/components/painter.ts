/**
 * Drawing may take this share of the time; a costly text, or a slow machine, is drawn less often. What
 * is measured is the frame on the main thread: rastering and what follows a frame cost twice as much again.
 */
const SHARE = 0.045;
/** Growing text reads the same 20 times a second as 60 times, and costs a third. */
const SHORTEST_MS = 48;
const LONGEST_MS = 250;

/** The time between two drawings, when one of them holds the page up for `costMs`. */
export function pauseAfter(costMs: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, costMs / SHARE));
}

/** Calls `paint` at most once per frame, and less often when a frame with it is slow. */
export class Painter {
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #notBefore = 0;
  readonly #paint: () => void;

  constructor(paint: () => void) {
    this.#paint = paint;
  }

  ask(): void {
    if (this.#frame !== 0 || this.#timer !== undefined) return;
    const wait = this.#notBefore - performance.now();
    if (wait > 16) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#request();
      }, wait);
    } else this.#request();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#timer = undefined;
  }

  #request(): void {
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const start = performance.now();
      this.#notBefore = start + LONGEST_MS;
      this.#paint();
      // This comes after the browser has laid out and painted: what the frame cost as a whole.
      afterFrame(() => (this.#notBefore = start + pauseAfter(performance.now() - start)));
    });
  }
}

function afterFrame(act: () => void): void {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    channel.port1.close();
    act();
  };
  channel.port2.postMessage(null);
}
