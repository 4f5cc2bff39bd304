import { SseDecoder, type SseEvent } from './sse';
import { problemToError, type ApiError } from '../api/errors';

/** What a connection is doing, for the quiet notice. */
export type SourceState = 'connecting' | 'open' | 'retrying' | 'closed';

export interface SourceHandlers {
  /** Return false to end the subscription (the last event of a run). */
  readonly onEvent: (event: SseEvent) => boolean;
  readonly onState?: (state: SourceState) => void;
  /** The hub refused for good (401, 404): no more attempts. */
  readonly onRefused: (error: ApiError) => void;
}

/** The hub sends a comment every 15 s; after this much silence the connection is taken for dead. */
const SILENCE_MS = 40_000;
const LOOK_MS = 2000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 15_000;

/** Time before the next attempt: doubling, with full jitter above a small floor. `chance` is 0..1. */
export function retryDelay(attempt: number, chance: number): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return Math.round(FIRST_DELAY_MS / 2 + chance * (ceiling - FIRST_DELAY_MS / 2));
}

/** Answers that another attempt would not change. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
}

/**
 * A subscription to one event stream that outlives its connections: it reconnects with
 * `Last-Event-ID`, at once when the device comes back online, and stops only when told to.
 */
export class EventSubscription {
  readonly #path: string;
  readonly #handlers: SourceHandlers;
  #lastId = '';
  #attempt = 0;
  #isClosed = false;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;

  constructor(path: string, handlers: SourceHandlers) {
    this.#path = path;
    this.#handlers = handlers;
    window.addEventListener('online', this.#wake);
    this.#connect();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    window.removeEventListener('online', this.#wake);
    clearTimeout(this.#timer);
    clearInterval(this.#watchdog);
    this.#abort?.abort();
    this.#say('closed');
  }

  readonly #wake = (): void => {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#connect();
  };

  #say(state: SourceState): void {
    this.#handlers.onState?.(state);
  }

  #connect(): void {
    this.#timer = undefined;
    this.#say(this.#attempt === 0 ? 'connecting' : 'retrying');
    const abort = new AbortController();
    this.#abort = abort;
    this.#watch(abort);
    this.#read(abort).then(
      () => this.#retry(abort),
      () => this.#retry(abort),
    );
  }

  #retry(abort: AbortController): void {
    clearInterval(this.#watchdog);
    if (this.#isClosed || this.#abort !== abort) return;
    const delay = retryDelay(this.#attempt, Math.random());
    this.#attempt += 1;
    this.#say('retrying');
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  /** Looks now and then, so that a chunk need not set a clock anew. */
  #watch(abort: AbortController): void {
    clearInterval(this.#watchdog);
    this.#heardAt = Date.now();
    this.#watchdog = setInterval(() => {
      if (Date.now() - this.#heardAt > SILENCE_MS) abort.abort();
    }, LOOK_MS);
  }

  async #read(abort: AbortController): Promise<void> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.#lastId !== '') headers['Last-Event-ID'] = this.#lastId;
    const response = await fetch(this.#path, {
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: abort.signal,
    });
    if (!response.ok || response.body === null) {
      if (isFinal(response.status)) await this.#refuse(response);
      return;
    }
    this.#attempt = 0;
    this.#say('open');
    await this.#drain(response.body);
  }

  async #refuse(response: Response): Promise<void> {
    const body: unknown = await response.json().catch(() => null);
    this.close();
    this.#handlers.onRefused(problemToError(response.status, body));
  }

  async #drain(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    const text = new TextDecoder();
    const decoder = new SseDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#isClosed) return;
      this.#heardAt = Date.now();
      for (const event of decoder.push(text.decode(value, { stream: true }))) {
        if (event.id !== '') this.#lastId = event.id;
        if (!this.#handlers.onEvent(event)) {
          this.close();
          return;
        }
      }
    }
  }
}
