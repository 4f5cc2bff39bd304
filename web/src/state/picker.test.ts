import { describe, expect, it } from 'vitest';
import { detailOf, firstActive, moveActive, pickerGroups } from './picker';
import { provider } from './samples';

const NOW = Date.parse('2026-11-20T08:00:00Z');
const stopped = provider({ id: 'p2', name: 'night', status: 'stopped', status_reason: 'stopped: walltime', models: [{ id: 'night/m', name: 'm', max_model_len: null }] });
const loading = provider({ id: 'p3', name: 'qwen', status: 'loading', status_reason: 'loading weights', models: [] });
const shared = provider({ id: 'p4', name: 'team', type: 'openai', session: null, server: null, models: [{ id: 'team/gpt', name: 'gpt', max_model_len: null }] });
const ALL = [stopped, shared, loading, provider()];

const names = (query: string): string[][] => pickerGroups(ALL, query, NOW).map(({ options }) => options.map(({ name }) => name));

describe('pickerGroups', () => {
  it('puts own sessions before shared endpoints, running before stopped, and keeps stopped ones', () => {
    const groups = pickerGroups(ALL, '', NOW);
    expect(groups.map(({ title }) => title)).toEqual(['My sessions', 'Shared endpoints']);
    expect(names('')).toEqual([['llama', 'qwen', 'm'], ['gpt']]);
  });

  it('searches model, provider, host and status, all words at once', () => {
    expect(names('box llama')).toEqual([['llama']]);
    expect(names('STOPPED')).toEqual([['m']]);
    expect(names('gpu-17 loading')).toEqual([['qwen']]);
    expect(names('nothing')).toEqual([]);
  });

  it('shows a provider whose models are not known yet as a line that cannot be chosen', () => {
    expect(pickerGroups([loading], '', NOW)[0]?.options[0]).toMatchObject({ modelId: null, name: 'qwen', detail: 'loading weights' });
  });
});

describe('detailOf', () => {
  it('says where it runs, what runs and how long still; or why it does not run', () => {
    const session = { ...provider().session!, wall_time_ends_at: '2026-11-20T11:12:00Z' };
    expect(detailOf(provider({ session }), NOW, 32768).replaceAll('\u00a0', ' ')).toBe('gpu-17 · vLLM 0.32 · 32k context · 3 h 12 min left');
    expect(detailOf(stopped, NOW)).toBe('stopped: walltime');
    expect(detailOf(shared, NOW)).toBe('added by alice');
  });
});

describe('moveActive', () => {
  it.each([
    [0, 'ArrowDown', 3, 1],
    [2, 'ArrowDown', 3, 0],
    [0, 'ArrowUp', 3, 2],
    [1, 'ArrowUp', 3, 0],
    [0, 'PageDown', 20, 6],
    [3, 'PageDown', 5, 4],
    [2, 'PageUp', 5, 0],
    [3, 'Home', 5, 0],
    [0, 'End', 5, 4],
    [0, 'ArrowDown', 0, null],
    [0, 'a', 3, null],
  ])('from %i, %s among %i goes to %s', (from, key, count, to) => expect(moveActive(from, key, count)).toBe(to));

  it('starts on what is chosen, else on the first line', () => {
    const options = pickerGroups(ALL, '', NOW).flatMap((group) => group.options);
    expect(firstActive(options, 'team/gpt')).toBe(3);
    expect(firstActive(options, 'gone/x')).toBe(0);
  });
});
