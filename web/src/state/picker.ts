import type { Model, Provider, ProviderStatus } from '../api/types';
import { contextLength, filled, gpuWords, timeLeft } from '../words';
import { wordsOf } from './highlight';

/** One line of the picker: a model, or the one way to have a stopped provider back. */
export interface PickerOption {
  readonly key: string;
  readonly kind: 'model' | 'revival';
  readonly provider: Provider;
  /** Null where the models are not known yet, and for a revival. */
  readonly modelId: string | null;
  readonly name: string;
  readonly detail: string;
}

/** The models of one provider, or those that somebody likes best, of any. */
export interface PickerGroup {
  readonly key: string;
  readonly section: 'Favourites' | 'My sessions' | 'Shared endpoints';
  /** Null for the favourites. */
  readonly provider: Provider | null;
  readonly options: readonly PickerOption[];
}

/** What the picker shows besides the providers themselves. */
export interface PickerView {
  readonly query: string;
  readonly now: number;
  readonly favourites: ReadonlySet<string>;
  /** How a stopped provider is had back, in words; null where only its own command can. */
  readonly revivalWords: (provider: Provider) => string | null;
}

const RANK: Readonly<Record<ProviderStatus, number>> = { running: 0, loading: 1, starting: 1, unreachable: 2, stopped: 3 };

/** What is said beside a provider: its place while it runs, its reason while it does not. */
export function detailOf(provider: Provider, now: number): string {
  const { session, status, server } = provider;
  const reason = filled(provider.status_reason);
  if (status !== 'running') return reason ?? (status === 'stopped' ? 'its tunnel is not running' : '');
  const parts = [
    session?.host ?? null,
    session === null && provider.type === 'openai' ? `added by ${provider.owner.name}` : clusterName(provider),
    gpuWords(session?.gpus),
    server === null ? null : [server.kind, server.version].filter((part) => part !== null).join(' '),
    timeLeft(session?.wall_time_ends_at, now),
  ];
  return [...new Set(parts)].filter((part) => part !== null && part !== '').join(' · ');
}

function clusterName({ session }: Provider): string | null {
  const cluster = session?.cluster;
  return typeof cluster === 'string' ? cluster : (cluster?.name ?? null);
}

function contextWords(model: Model): string {
  const context = contextLength(model.max_model_len);
  return context === null ? '' : `${context} context`;
}

function modelOption(provider: Provider, model: Model, group: string, detail: string): PickerOption {
  return { key: `${group} ${model.id}`, kind: 'model', provider, modelId: model.id, name: model.name, detail };
}

function optionsOf(provider: Provider, view: PickerView): readonly PickerOption[] {
  const models = provider.models.map((model) => modelOption(provider, model, provider.id, contextWords(model)));
  const words = provider.status === 'stopped' ? view.revivalWords(provider) : null;
  const revival: PickerOption[] =
    words === null ? [] : [{ key: `${provider.id} revive`, kind: 'revival', provider, modelId: null, name: `${words} ${provider.name}`, detail: '' }];
  if (models.length > 0 || revival.length > 0) return [...models, ...revival];
  return [{ key: provider.id, kind: 'model', provider, modelId: null, name: 'Its models are not known yet', detail: '' }];
}

function matches(option: PickerOption, words: readonly string[]): boolean {
  const { provider } = option;
  const { session } = provider;
  const parts = [option.name, provider.name, provider.status, session?.host, session?.name, clusterName(provider), session?.gpus.join(' '), provider.owner.name];
  const text = parts.join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

function favouriteOptions(all: readonly Provider[], view: PickerView): readonly PickerOption[] {
  return all.flatMap((provider) =>
    provider.models
      .filter(({ id }) => view.favourites.has(id))
      .map((model) => modelOption(provider, model, 'favourite', [provider.name, detailOf(provider, view.now)].filter((part) => part !== '').join(' · '))),
  );
}

/** The picker's groups: favourites, then each provider, own sessions first and running ones first. */
export function pickerGroups(all: readonly Provider[], view: PickerView): readonly PickerGroup[] {
  const words = wordsOf(view.query);
  const sorted = [...all].sort((a, b) => RANK[a.status] - RANK[b.status] || a.name.localeCompare(b.name));
  const groupsOf = (section: PickerGroup['section'], type: Provider['type']): PickerGroup[] =>
    sorted
      .filter((provider) => provider.type === type)
      .map((provider) => ({ key: provider.id, section, provider, options: optionsOf(provider, view) }));
  const groups: readonly PickerGroup[] = [
    { key: 'favourites', section: 'Favourites', provider: null, options: favouriteOptions(sorted, view) },
    ...groupsOf('My sessions', 'openai-tunnel'),
    ...groupsOf('Shared endpoints', 'openai'),
  ];
  return groups
    .map((group) => ({ ...group, options: group.options.filter((option) => matches(option, words)) }))
    .filter(({ options }) => options.length > 0);
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
