import { expect, test } from 'vitest';
import { namesOf, partitionsOf } from './partitions';

const EXTRA = {
  scheduler: 'slurm 22.05',
  accounts: ['physics', 3],
  partitions: [
    { name: 'long', default: false, up: false, time_limit_s: null, nodes: 1200, cpus: 64, memory_mb: 1024, gpus: [] },
    { name: 'gpu', default: true, up: true, time_limit_s: 14_400, nodes: 2, cpus: 8, memory_mb: 65_536, gpus: [{ type: 'a100', count: 4 }, { type: '', count: 1 }] },
    'nonsense',
  ],
};

test('partitions are shown in words, the default first', () => {
  const [gpu, long, ...rest] = partitionsOf(EXTRA);
  expect(rest).toEqual([]);
  expect(gpu).toEqual({ name: 'gpu', isDefault: true, isUp: true, time: '4\u00a0h', nodes: '2', cpus: '8', memory: '68.7 GB', gpus: 'a100 ×4, gpu ×1' });
  expect(long).toMatchObject({ name: 'long', isUp: false, time: 'no limit', gpus: '–' });
});

test('what a scheduler does not say is not there', () => {
  expect(partitionsOf({})).toEqual([]);
  expect(namesOf({}, 'accounts')).toEqual([]);
  expect(namesOf(EXTRA, 'accounts')).toEqual(['physics']);
});
