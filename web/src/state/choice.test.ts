import { describe, expect, it } from 'vitest';
import { firstChoice, resolve, splitModelId } from './choice';
import { provider } from './samples';

const box = provider();
const night = provider({ id: 'p2', name: 'night', status: 'stopped', models: [{ id: 'night/org/m', name: 'org/m', max_model_len: null }] });

describe('the route', () => {
  it('cuts a model id at its first slash', () => {
    expect(splitModelId('night/org/m')).toEqual({ provider: 'night', model: 'org/m' });
    expect(splitModelId('bare')).toEqual({ provider: '', model: 'bare' });
  });

  it('finds a model, or at least its provider, or neither', () => {
    expect(resolve('night/org/m', [box, night])).toMatchObject({ modelName: 'org/m', provider: { id: 'p2' } });
    expect(resolve('box/old', [box])).toMatchObject({ modelName: 'old', provider: { id: 'prv_1' }, model: null });
    expect(resolve('gone/x', [box])).toMatchObject({ modelName: 'x', provider: null });
  });

  it('begins with the provider that a link named, then the last used, then one that runs', () => {
    expect(firstChoice([box, night], 'night', 'box/llama')).toBe('night/org/m');
    expect(firstChoice([box, night], null, 'night/org/m')).toBe('night/org/m');
    expect(firstChoice([night, box], null, 'gone/x')).toBe('box/llama');
    expect(firstChoice([night], null, null)).toBe('night/org/m');
    expect(firstChoice([], 'box', 'box/llama')).toBeNull();
  });
});
