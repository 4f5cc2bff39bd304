import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ApiError } from '../api/errors';
import { EventSubscription, retryDelay, type SourceState } from './source';
import type { SseEvent } from './sse';

const streamOf = (text: string): Response =>
  new Response(text, { status: 200, headers: { 'Content-Type': 'text/event-stream' } });

function watch(path = '/api/events') {
  const events: SseEvent[] = [];
  const states: SourceState[] = [];
  const refused: ApiError[] = [];
  const subscription = new EventSubscription(path, {
    onEvent: (event) => {
      events.push(event);
      return event.event !== 'end';
    },
    onState: (state) => states.push(state),
    onRefused: (error) => refused.push(error),
  });
  return { events, states, refused, subscription };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('retryDelay', () => {
  it('doubles with jitter from a small floor to a ceiling', () => {
    expect(retryDelay(0, 0)).toBe(125);
    expect(retryDelay(0, 1)).toBe(250);
    expect(retryDelay(3, 1)).toBe(2000);
    expect(retryDelay(50, 1)).toBe(15_000);
  });
});

describe('EventSubscription', () => {
  it('comes back with the last id after the connection ends, and stops at the last event', async () => {
    vi.useFakeTimers();
    const fetch = vi
      .fn<typeof globalThis.fetch>()
      .mockResolvedValueOnce(streamOf('id: 3\ndata: a\n\n'))
      .mockResolvedValueOnce(streamOf('id: 4\nevent: end\ndata: b\n\n'));
    vi.stubGlobal('fetch', fetch);
    const { events, states } = watch();
    await vi.waitFor(() => expect(events).toHaveLength(1));
    await vi.advanceTimersByTimeAsync(300);
    await vi.waitFor(() => expect(events).toHaveLength(2));
    const headers = fetch.mock.calls[1]?.[1]?.headers as Record<string, string>;
    expect(headers['Last-Event-ID']).toBe('3');
    expect(states.at(-1)).toBe('closed');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  it('gives up on a refusal and hands on its words', async () => {
    const problem = { title: 'x', detail: 'You are not signed in.', code: 'not_signed_in', status: 401 };
    vi.stubGlobal('fetch', vi.fn().mockResolvedValue(new Response(JSON.stringify(problem), { status: 401 })));
    const { refused, states } = watch();
    await vi.waitFor(() => expect(refused).toHaveLength(1));
    expect(refused[0]).toMatchObject({ status: 401, code: 'not_signed_in', message: 'You are not signed in.' });
    expect(states.at(-1)).toBe('closed');
  });

  it('tries again after a failing hub, and at once when the device is back online', async () => {
    vi.useFakeTimers();
    const fetch = vi
      .fn<typeof globalThis.fetch>()
      .mockRejectedValueOnce(new TypeError('no network'))
      .mockResolvedValueOnce(streamOf('event: end\ndata: x\n\n'));
    vi.stubGlobal('fetch', fetch);
    const { events } = watch();
    await vi.advanceTimersByTimeAsync(0);
    window.dispatchEvent(new Event('online'));
    await vi.waitFor(() => expect(events).toHaveLength(1));
  });

  it('says nothing more once it is closed', async () => {
    vi.stubGlobal('fetch', vi.fn().mockReturnValue(new Promise(() => undefined)));
    const { subscription, states } = watch();
    subscription.close();
    await Promise.resolve();
    expect(states).toEqual(['connecting', 'closed']);
  });
});
