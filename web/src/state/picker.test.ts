import { describe, expect, it } from 'vitest';
import { detailOf, firstActive, moveActive, pickerGroups, type PickerView } from './picker';
import { provider } from './samples';

const NOW = Date.parse('2026-11-20T08:00:00Z');
const stopped = provider({ id: 'p2', name: 'night', status: 'stopped', status_reason: 'stopped: walltime', models: [{ id: 'night/m', name: 'm', max_model_len: null }] });
const loading = provider({ id: 'p3', name: 'qwen', status: 'loading', status_reason: 'loading weights', models: [] });
const shared = provider({ id: 'p4', name: 'team', type: 'openai', session: null, server: null, models: [{ id: 'team/gpt', name: 'gpt', max_model_len: null }] });
const ALL = [stopped, shared, loading, provider()];

const view = (fields: Partial<PickerView> = {}): PickerView => ({ query: '', now: NOW, favourites: new Set(), revivalWords: () => null, ...fields });
const names = (query: string): string[][] => pickerGroups(ALL, view({ query })).map(({ options }) => options.map(({ name }) => name));

describe('pickerGroups', () => {
  it('groups by provider: own sessions before shared endpoints, running before stopped, and keeps stopped ones', () => {
    const groups = pickerGroups(ALL, view());
    expect(groups.map(({ section, provider: one }) => `${section}: ${one?.name ?? ''}`)).toEqual([
      'My sessions: box', 'My sessions: qwen', 'My sessions: night', 'Shared endpoints: team',
    ]);
    expect(names('')).toEqual([['llama'], ['Its models are not known yet'], ['m'], ['gpt']]);
  });

  it('searches model, provider, host, cluster and status, all words at once', () => {
    expect(names('box llama')).toEqual([['llama']]);
    expect(names('STOPPED')).toEqual([['m']]);
    expect(names('gpu-17 alpha loading')).toEqual([['Its models are not known yet']]);
    expect(names('nothing')).toEqual([]);
  });

  it('shows a provider whose models are not known yet as a line that cannot be chosen', () => {
    expect(pickerGroups([loading], view())[0]?.options[0]).toMatchObject({ modelId: null, kind: 'model' });
  });

  it('puts favourites first, with the place that each runs at', () => {
    const groups = pickerGroups(ALL, view({ favourites: new Set(['team/gpt', 'gone/x']) }));
    expect(groups[0]).toMatchObject({ section: 'Favourites', provider: null });
    expect(groups[0]?.options.map(({ name, detail }) => [name, detail])).toEqual([['gpt', 'team · added by alice']]);
  });

  it('has a line of its own that brings a stopped provider back, by keyboard too', () => {
    const groups = pickerGroups(ALL, view({ revivalWords: () => 'Restart' }));
    const revivals = groups.flatMap(({ options }) => options).filter(({ kind }) => kind === 'revival');
    expect(revivals.map(({ name, provider: one }) => [name, one.name])).toEqual([['Restart night', 'night']]);
  });
});

describe('detailOf', () => {
  it('says where it runs, on what, and how long still; or why it does not run', () => {
    const session = { ...provider().session!, gpus: ['NVIDIA A100', 'NVIDIA A100'], wall_time_ends_at: '2026-11-20T11:12:00Z' };
    expect(detailOf(provider({ session }), NOW).replaceAll('\u00a0', ' ')).toBe('gpu-17 · alpha · 2×A100 · vLLM 0.32 · 3 h 12 min left');
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
    const options = pickerGroups(ALL, view()).flatMap((group) => group.options);
    expect(firstActive(options, 'team/gpt')).toBe(3);
    expect(firstActive(options, 'gone/x')).toBe(0);
  });
});
