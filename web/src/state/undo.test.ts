import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hidden } from './store';
import { UNDO_MS, pending, removeWithUndo, startUndo, undo, undoTrouble } from './undo';

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  hidden.value = new Set();
  undoTrouble.value = null;
});

describe('removing with undo', () => {
  it('hides at once and carries out after ten seconds', async () => {
    const commit = vi.fn().mockResolvedValue(null);
    removeWithUndo('a', 'Gone.', commit);
    expect(hidden.value.has('a')).toBe(true);
    expect(pending.value).toEqual([{ id: 'a', words: 'Gone.' }]);
    await vi.advanceTimersByTimeAsync(UNDO_MS - 1);
    expect(commit).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(commit).toHaveBeenCalledWith(false);
    expect(pending.value).toEqual([]);
    expect(hidden.value.has('a')).toBe(true);
  });

  it('takes it back', async () => {
    const commit = vi.fn().mockResolvedValue(null);
    removeWithUndo('a', 'Gone.', commit);
    undo('a');
    await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
    expect(commit).not.toHaveBeenCalled();
    expect(hidden.value.has('a')).toBe(false);
  });

  it('shows the row again, and why, when the hub refuses', async () => {
    removeWithUndo('a', 'Gone.', () => Promise.reject(new Error('no')));
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(hidden.value.has('a')).toBe(false);
    expect(undoTrouble.value?.message).toContain('no');
  });

  it('does what was asked for when the page is left', () => {
    const commit = vi.fn().mockResolvedValue(null);
    startUndo();
    removeWithUndo('a', 'Gone.', commit);
    window.dispatchEvent(new Event('pagehide'));
    expect(commit).toHaveBeenCalledWith(true);
  });
});
