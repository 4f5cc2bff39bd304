import { afterEach, describe, expect, it, vi } from 'vitest';
import { heightAbove, startViewport } from './viewport';

afterEach(() => vi.unstubAllGlobals());

it('knows a keyboard from a bar of the browser', () => {
  expect(heightAbove(844, 508)).toBe(508);
  expect(heightAbove(844, 790)).toBeNull();
});

describe('startViewport', () => {
  it('makes the page as high as what a keyboard leaves, and gives it back', () => {
    const view = Object.assign(new EventTarget(), { height: 400, scale: 1 });
    vi.stubGlobal('visualViewport', view);
    vi.stubGlobal('innerHeight', 800);
    vi.stubGlobal('scrollTo', vi.fn());
    startViewport();
    const height = (): string => document.documentElement.style.getPropertyValue('--view-height');
    view.dispatchEvent(new Event('resize'));
    expect(height()).toBe('400px');
    view.height = 800;
    view.dispatchEvent(new Event('resize'));
    expect(height()).toBe('');
    Object.assign(view, { height: 400, scale: 2 });
    view.dispatchEvent(new Event('resize'));
    expect(height()).toBe('');
  });
});
