import { afterEach, describe, expect, it, vi } from 'vitest';
import { Painter, pauseAfter } from './painter';

afterEach(() => vi.useRealTimers());

describe('Painter', () => {
  it('draws once for whatever is asked within a frame, and then rests', () => {
    vi.useFakeTimers();
    const paint = vi.fn();
    const painter = new Painter(paint);
    for (let token = 0; token < 5; token += 1) painter.ask();
    expect(paint).not.toHaveBeenCalled();
    vi.advanceTimersToNextFrame();
    expect(paint).toHaveBeenCalledTimes(1);
    painter.ask();
    vi.advanceTimersByTime(30);
    expect(paint).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(300);
    expect(paint).toHaveBeenCalledTimes(2);
  });

  it('draws nothing more once it is stopped', () => {
    vi.useFakeTimers();
    const paint = vi.fn();
    const painter = new Painter(paint);
    painter.ask();
    painter.stop();
    vi.advanceTimersByTime(1000);
    expect(paint).not.toHaveBeenCalled();
  });
});

it('rests longer the more a frame costs, within limits', () => {
  expect(pauseAfter(1)).toBe(48);
  expect(pauseAfter(4.5)).toBeCloseTo(100);
  expect(pauseAfter(500)).toBe(250);
});
