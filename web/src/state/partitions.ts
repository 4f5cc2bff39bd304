/** A scheduler's own words about what it has, as far as a page shows them. */
import { bytes, span } from '../words';

export interface Partition {
  readonly name: string;
  readonly isDefault: boolean;
  readonly isUp: boolean;
  readonly time: string;
  readonly nodes: string;
  readonly cpus: string;
  readonly memory: string;
  readonly gpus: string;
}

type Raw = Readonly<Record<string, unknown>>;

const MB = 1 << 20;

const isRaw = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value);
const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const count = (value: unknown): string => (typeof value === 'number' ? value.toLocaleString() : '–');

/** Words in a list of the scheduler's: accounts, qualities of service. */
export function namesOf(extra: Raw, name: string): readonly string[] {
  return listIn(extra[name]).filter((one): one is string => typeof one === 'string');
}

function gpusOf(raw: unknown): string {
  const found = listIn(raw).filter(isRaw).map(({ type, count: number }) => `${typeof type === 'string' && type !== '' ? type : 'gpu'} ×${count(number)}`);
  return found.length === 0 ? '–' : found.join(', ');
}

/** The partitions (Slurm) or queues (PBS), the default first. */
export function partitionsOf(extra: Raw): readonly Partition[] {
  const all = listIn(extra['partitions']).filter(isRaw).map((raw) => ({
    name: typeof raw['name'] === 'string' ? raw['name'] : '',
    isDefault: raw['default'] === true,
    isUp: raw['up'] !== false,
    time: typeof raw['time_limit_s'] === 'number' ? span(raw['time_limit_s']) : 'no limit',
    nodes: count(raw['nodes']),
    cpus: count(raw['cpus']),
    memory: typeof raw['memory_mb'] === 'number' ? bytes(raw['memory_mb'] * MB) : '–',
    gpus: gpusOf(raw['gpus']),
  }));
  return [...all].sort((a, b) => Number(b.isDefault) - Number(a.isDefault));
}
