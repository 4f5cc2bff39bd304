import type { Provider, ProviderStatus } from '../api/types';
import { contextLength, filled, timeLeft } from '../words';

/** One line of the picker: a model of a provider, or a provider whose models are not known yet. */
export interface PickerOption {
  readonly key: string;
  readonly provider: Provider;
  readonly modelId: string | null;
  readonly name: string;
  /** Where it runs and how long still, or why it does not run. */
  readonly detail: string;
}

export interface PickerGroup {
  readonly title: 'My sessions' | 'Shared endpoints';
  readonly options: readonly PickerOption[];
}

const RANK: Readonly<Record<ProviderStatus, number>> = { running: 0, loading: 1, starting: 1, unreachable: 2, stopped: 3 };

/** What is said beside a provider: its place while it runs, its reason while it does not. */
export function detailOf(provider: Provider, now: number, contextTokens: number | null = null): string {
  const { session, status, server } = provider;
  const reason = filled(provider.status_reason);
  if (status !== 'running') return reason ?? (status === 'stopped' ? 'its tunnel is not running' : '');
  const cluster = typeof session?.cluster === 'string' ? session.cluster : session?.cluster?.name;
  const context = contextLength(contextTokens);
  const parts = [
    session?.host ?? cluster ?? (provider.type === 'openai' ? `added by ${provider.owner.name}` : null),
    server === null ? null : [server.kind, server.version].filter((part) => part !== null).join(' '),
    context === null ? null : `${context} context`,
    timeLeft(session?.wall_time_ends_at, now),
  ];
  return parts.filter((part) => part !== null && part !== '').join(' · ');
}

function optionsOf(provider: Provider, now: number): PickerOption[] {
  if (provider.models.length === 0) {
    return [{ key: provider.id, provider, modelId: null, name: provider.name, detail: detailOf(provider, now) }];
  }
  return provider.models.map((model) => ({
    key: `${provider.id} ${model.id}`,
    provider,
    modelId: model.id,
    name: model.name,
    detail: detailOf(provider, now, model.max_model_len),
  }));
}

function matches(option: PickerOption, words: readonly string[]): boolean {
  const { provider } = option;
  const text = [option.name, provider.name, provider.status, provider.session?.host, provider.session?.name, provider.owner.name]
    .join(' ')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** The picker's groups for a search; running ones first, empty groups left out. */
export function pickerGroups(all: readonly Provider[], query: string, now: number): readonly PickerGroup[] {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== '');
  const sorted = [...all].sort((a, b) => RANK[a.status] - RANK[b.status] || a.name.localeCompare(b.name));
  const group = (title: PickerGroup['title'], type: Provider['type']): PickerGroup => ({
    title,
    options: sorted
      .filter((provider) => provider.type === type)
      .flatMap((provider) => optionsOf(provider, now))
      .filter((option) => matches(option, words)),
  });
  return [group('My sessions', 'openai-tunnel'), group('Shared endpoints', 'openai')].filter(
    ({ options }) => options.length > 0,
  );
}

const PAGE = 6;

/** Where a key moves the active line among `count` lines; null for keys that do not move it. */
export function moveActive(active: number, key: string, count: number): number | null {
  if (count === 0) return null;
  switch (key) {
    case 'ArrowDown':
      return (active + 1) % count;
    case 'ArrowUp':
      return active <= 0 ? count - 1 : active - 1;
    case 'PageDown':
      return Math.min(count - 1, active + PAGE);
    case 'PageUp':
      return Math.max(0, active - PAGE);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}

/** Where the picker starts: on what is chosen, else on the first line. */
export function firstActive(options: readonly PickerOption[], modelId: string | null): number {
  return Math.max(0, options.findIndex((option) => option.modelId === modelId));
}
