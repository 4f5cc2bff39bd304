import { describe, expect, it } from 'vitest';
import { SseDecoder, type SseEvent } from './sse';

const decode = (pieces: readonly string[]): SseEvent[] => {
  const decoder = new SseDecoder();
  return pieces.flatMap((piece) => decoder.push(piece));
};

const STREAM = ': keepalive\r\n\r\nid: 7\r\nevent: delta\r\ndata: {"text":"a"}\r\n\r\ndata: one\rdata:two\r\rid: 8\ndata\n\nevent: end\ndata: {}\n\n';
const EVENTS: readonly SseEvent[] = [
  { id: '7', event: 'delta', data: '{"text":"a"}' },
  { id: '7', event: 'message', data: 'one\ntwo' },
  { id: '8', event: 'message', data: '' },
  { id: '8', event: 'end', data: '{}' },
];

describe('SseDecoder', () => {
  it('reads LF, CRLF and CR, comments, several data lines and ids that last', () => {
    expect(decode([STREAM])).toEqual(EVENTS);
  });

  it('gives the same events for every way of cutting the text in two', () => {
    for (let at = 0; at <= STREAM.length; at += 1) {
      expect(decode([STREAM.slice(0, at), STREAM.slice(at)])).toEqual(EVENTS);
    }
  });

  it('gives the same events one character at a time', () => {
    expect(decode(STREAM.match(/[\s\S]/g) ?? [])).toEqual(EVENTS);
  });

  it('keeps a CRLF together when its two bytes come apart', () => {
    expect(decode(['data: a\r', '\n', '\r', '\ndata: b\n\n'])).toEqual([
      { id: '', event: 'message', data: 'a' },
      { id: '', event: 'message', data: 'b' },
    ]);
  });

  it('drops a byte order mark, an id with NUL, and an event without data', () => {
    expect(decode(['\uFEFFdata: a\nid: x\0y\n\n', 'event: nothing\n\n'])).toEqual([{ id: '', event: 'message', data: 'a' }]);
  });

  it('holds back an event that is not finished', () => {
    expect(decode(['data: half\n'])).toEqual([]);
  });
});
