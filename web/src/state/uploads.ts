import { signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { isAbort } from '../api/client';
import { toTrouble } from '../api/errors';
import { files as api, upload, type Upload } from '../api/files';
import type { Attachment, Trouble } from '../api/types';

/** A file on its way to the hub, there, or refused by it. */
export interface UploadItem {
  readonly key: number;
  readonly name: string;
  readonly bytes: number;
  /** From 0 to 1. */
  readonly progress: Signal<number>;
  readonly file: Signal<Attachment | null>;
  readonly trouble: Signal<Trouble | null>;
  /** What was pasted, for as long as it can still go into the message itself. */
  readonly pasted: string | null;
}

/** A longer paste is attached as a file: as text it would bury the message, and slow the page. */
export const PASTE_AS_FILE = 32_000;
/** Attached to one message at most; more are refused with a word. */
export const MOST_FILES = 20;

let keys = 0;

/** The files that go with the next message of a conversation. */
export class Uploads {
  readonly #items = signal<readonly UploadItem[]>([]);
  readonly #running = new Map<number, Upload>();
  readonly #onChange: () => void;

  /** `onChange` is called when what is there has changed, so that the draft can be kept. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get items(): ReadonlySignal<readonly UploadItem[]> {
    return this.#items;
  }

  /** What the hub has; the rest is on its way or was refused. */
  get ready(): readonly Attachment[] {
    return this.#items.value.map(({ file }) => file.value).filter((file) => file !== null);
  }

  get isBusy(): boolean {
    return this.#items.value.some(({ file, trouble }) => file.value === null && trouble.value === null);
  }

  add(blobs: readonly File[], pasted: string | null = null): void {
    for (const blob of blobs) this.#start(blob, pasted);
  }

  remove({ key, file }: UploadItem): void {
    this.#running.get(key)?.abort();
    this.#drop(key);
    const id = file.peek()?.id;
    // A file that no message uses goes by itself after a day: an error here is nobody's trouble.
    if (id !== undefined) void api.remove(id).catch(() => undefined);
  }

  /** Begins anew with files that the hub has: those of a draft, or none after sending. */
  reset(files: readonly Attachment[]): void {
    for (const running of this.#running.values()) running.abort();
    this.#items.value = files.map((file) => ({ ...item(file.name, file.bytes, null), file: signal(file), progress: signal(1) }));
  }

  #start(blob: File, pasted: string | null): void {
    const one = item(blob.name === '' ? 'file' : blob.name, blob.size, pasted);
    this.#items.value = [...this.#items.peek(), one];
    if (this.#items.peek().length > MOST_FILES) {
      one.trouble.value = { code: 'too_many_files', message: `A message takes ${MOST_FILES} files at most.` };
      return;
    }
    const running = upload(blob, one.name, (share) => (one.progress.value = share));
    this.#running.set(one.key, running);
    running.done.then(
      (file) => {
        one.file.value = file;
        this.#onChange();
      },
      (error: unknown) => {
        if (!isAbort(error)) one.trouble.value = toTrouble(error);
      },
    ).finally(() => this.#running.delete(one.key));
  }

  #drop(key: number): void {
    this.#items.value = this.#items.peek().filter((one) => one.key !== key);
    this.#onChange();
  }
}

function item(name: string, bytes: number, pasted: string | null): UploadItem {
  keys += 1;
  return { key: keys, name, bytes, pasted, progress: signal(0), file: signal(null), trouble: signal(null) };
}
