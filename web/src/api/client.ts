import { signal } from '@preact/signals';
import { ApiError, offline, problemToError } from './errors';

/** Counts answers that said "not signed in"; whoever shows the sign-in page watches it. */
export const refusals = signal(0);

/** What was typed is wrong; whoever is signed in stays so. */
const NOT_THE_SIGN_IN = new Set(['wrong_password', 'wrong_code', 'second_step_needed']);

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface CallOptions {
  /** A Blob goes as it is; everything else as JSON. */
  readonly body?: unknown;
  /** Of a body that is a Blob. */
  readonly mediaType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Lets the request outlive the page (a delete that was waiting for its undo). */
  readonly keepalive?: boolean;
}

async function readJson(response: Response): Promise<unknown> {
  if (response.status === 204) return null;
  const text = await response.text();
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function requestInit(method: Method, options: CallOptions): RequestInit {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = options.mediaType ?? 'application/json';
  // The hub refuses unsafe methods with a cookie but without this: another site cannot set it.
  if (method !== 'GET') headers['X-Underpass-CSRF'] = '1';
  return {
    method,
    headers,
    credentials: 'same-origin',
    cache: 'no-store',
    ...(options.body === undefined ? {} : { body: options.body instanceof Blob ? options.body : JSON.stringify(options.body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.keepalive === true ? { keepalive: true } : {}),
  };
}

/**
 * One call of the REST API. Answers the JSON body, which the caller's type describes.
 * Throws ApiError for every answer that is not a success; an abort passes as it is.
 */
export async function call<T>(method: Method, path: string, options: CallOptions = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, requestInit(method, options));
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw offline();
  }
  const body = await readJson(response);
  if (response.ok) return body as T;
  const error = problemToError(response.status, body);
  if (response.status === 401 && !NOT_THE_SIGN_IN.has(error.code)) refusals.value += 1;
  throw error;
}

/** Sends a file as it is. Answers and throws like `call`. */
export const send = <T>(method: Method, path: string, file: Blob, mediaType: string): Promise<T> =>
  call<T>(method, path, { body: file, mediaType });

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
