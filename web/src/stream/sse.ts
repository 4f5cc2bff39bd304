/** One server-sent event. `id` is the last id that the stream has named, as the standard says. */
export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/**
 * Server-sent events out of text that arrives in any pieces: `push(text)` returns the events that
 * became complete. Follows the WHATWG grammar: LF, CRLF and CR end a line (also when the two bytes
 * of a CRLF come apart), a leading BOM is dropped, comments are skipped, an id with NUL is ignored.
 */
export class SseDecoder {
  #rest = '';
  #isStart = true;
  #skipLf = false;
  #id = '';
  #event = '';
  #data: string[] = [];

  push(text: string): SseEvent[] {
    const events: SseEvent[] = [];
    for (const line of this.#lines(text)) {
      const event = this.#line(line);
      if (event !== null) events.push(event);
    }
    return events;
  }

  #lines(text: string): string[] {
    let piece = text;
    if (piece === '') return [];
    if (this.#skipLf && piece.startsWith('\n')) piece = piece.slice(1);
    this.#skipLf = false;
    if (this.#isStart && piece !== '') {
      this.#isStart = false;
      if (piece.startsWith('\uFEFF')) piece = piece.slice(1);
    }
    if (piece.endsWith('\r')) this.#skipLf = true;
    const lines = (this.#rest + piece).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? '';
    return lines;
  }

  #line(line: string): SseEvent | null {
    if (line === '') return this.#dispatch();
    if (line.startsWith(':')) return null;
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const raw = colon === -1 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }

  #dispatch(): SseEvent | null {
    const data = this.#data;
    const event = this.#event === '' ? 'message' : this.#event;
    this.#data = [];
    this.#event = '';
    return data.length === 0 ? null : { id: this.#id, event, data: data.join('\n') };
  }
}
