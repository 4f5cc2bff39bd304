import { refusals } from './client';
import { offline, problemToError, type ApiError } from './errors';
import { at } from './hub';
import type { Attachment } from './types';
import { call } from './client';

export interface Upload {
  /** Resolves with the file as the hub knows it; throws ApiError. */
  readonly done: Promise<Attachment>;
  readonly abort: () => void;
}

function problemOf(request: XMLHttpRequest): ApiError {
  if (request.status === 0) return offline();
  if (request.status === 401) refusals.value += 1;
  let body: unknown = null;
  try {
    body = JSON.parse(request.responseText);
  } catch {
    // An answer without words: its status says what there is to say.
  }
  return problemToError(request.status, body);
}

/** Sends a file as it is. `fetch` cannot say how far it has come, so this is the older way. */
export function upload(file: Blob, name: string, onProgress: (share: number) => void): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<Attachment>((resolve, reject) => {
    request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as Attachment);
      else reject(problemOf(request));
    };
    request.onerror = () => reject(problemOf(request));
    request.onabort = () => reject(new DOMException('The upload was given up.', 'AbortError'));
  });
  request.open('POST', `${at('files')}?name=${encodeURIComponent(name)}`);
  request.setRequestHeader('Accept', 'application/json');
  request.setRequestHeader('X-Underpass-CSRF', '1');
  request.setRequestHeader('Content-Type', file.type === '' ? 'application/octet-stream' : file.type);
  request.send(file);
  return { done, abort: () => request.abort() };
}

export const files = {
  contentPath: (id: string) => at('files', id, 'content'),
  textPath: (id: string) => at('files', id, 'text'),
  remove: (id: string) => call<null>('DELETE', at('files', id)),
};
