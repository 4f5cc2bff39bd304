import type { Trouble } from './types';

/**
 * An answer of the hub that is not a success, or no answer at all (`code` `offline`).
 * The words are the hub's own: a sentence, and where there is one, what to do.
 */
export class ApiError extends Error implements Trouble {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, trouble: Trouble) {
    super(trouble.message);
    this.status = status;
    this.code = trouble.code;
    this.hint = trouble.hint ?? null;
  }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Reads a problem document (RFC 9457); tolerates a body that is something else. */
export function problemToError(status: number, body: unknown): ApiError {
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const message =
    text(problem['detail']) ?? text(problem['title']) ?? `The hub answered with status ${status} and no reason.`;
  return new ApiError(status, { code: text(problem['code']) ?? `http_${status}`, message, hint: text(problem['hint']) });
}

export function offline(): ApiError {
  return new ApiError(0, {
    code: 'offline',
    message: 'The hub did not answer.',
    hint: 'Check that it runs and that this device is online, then try again.',
  });
}

/** Whatever was thrown, as something with words for the page. */
export function toTrouble(error: unknown): Trouble {
  if (error instanceof ApiError) return { code: error.code, message: error.message, hint: error.hint };
  const detail = error instanceof Error ? error.message : String(error);
  return { code: 'page_error', message: `This page failed: ${detail}`, hint: 'Reload the page; nothing is lost on the hub.' };
}
