import { describe, expect, it } from 'vitest';
import { OnceFilter, readRunEvent } from './run';

const event = (kind: string, data: unknown, id = '') => ({ id, event: kind, data: JSON.stringify(data) });

describe('readRunEvent', () => {
  it('reads text, reasoning, status with its reason, and the end', () => {
    expect(readRunEvent(event('delta', { text: 'a' }))).toEqual({ kind: 'delta', text: 'a', reasoning: '' });
    expect(readRunEvent(event('delta', { reasoning: 'b' }))).toEqual({ kind: 'delta', text: '', reasoning: 'b' });
    expect(readRunEvent(event('status', { status: 'waiting', reason: 'loading' }))).toEqual({
      kind: 'status',
      status: 'waiting',
      reason: 'loading',
      error: null,
      waiting: null,
    });
    expect(readRunEvent(event('end', { message: { id: 'm' } }))).toEqual({ kind: 'end', message: { id: 'm' } });
  });

  it('passes over what it does not know and what is not JSON', () => {
    expect(readRunEvent(event('later', {}))).toBeNull();
    expect(readRunEvent({ id: '', event: 'delta', data: '{"text"' })).toBeNull();
    expect(readRunEvent({ id: '', event: 'delta', data: '3' })).toBeNull();
  });
});

describe('OnceFilter', () => {
  it('lets a delta pass once, by its position, and status and end always', () => {
    const once = new OnceFilter();
    expect(once.isNew(event('status', {}, '0'))).toBe(true);
    expect(once.isNew(event('delta', {}, '5'))).toBe(true);
    expect(once.isNew(event('delta', {}, '5'))).toBe(false);
    expect(once.isNew(event('delta', {}, '4'))).toBe(false);
    expect(once.isNew(event('delta', {}, '9'))).toBe(true);
    expect(once.isNew(event('status', {}, '9'))).toBe(true);
    expect(once.isNew(event('end', {}, '9'))).toBe(true);
  });
});
