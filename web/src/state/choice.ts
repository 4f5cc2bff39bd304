import { computed, signal } from '@preact/signals';
import type { Model, Provider } from '../api/types';
import { place } from '../router';
import { providers, world } from './store';
import { readStored, writeStored } from './stored';

/** What a chat speaks to: a model id, and what is known about it now. */
export interface Route {
  readonly modelId: string;
  readonly modelName: string;
  readonly provider: Provider | null;
  readonly model: Model | null;
}

const KEY = 'underpass.model';
const lastUsed = signal(readStored(KEY));
/** What this page's chat has chosen; null until somebody chooses. */
export const chosen = signal<string | null>(null);

/** `PROVIDER/MODEL` in its two parts; a model's own name may hold slashes. */
export function splitModelId(id: string): { readonly provider: string; readonly model: string } {
  const slash = id.indexOf('/');
  return slash === -1 ? { provider: '', model: id } : { provider: id.slice(0, slash), model: id.slice(slash + 1) };
}

export function resolve(id: string, all: readonly Provider[]): Route {
  const parts = splitModelId(id);
  for (const provider of all) {
    const model = provider.models.find((one) => one.id === id);
    if (model !== undefined) return { modelId: id, modelName: model.name, provider, model };
  }
  const provider = all.find((one) => one.name === parts.provider) ?? null;
  return { modelId: id, modelName: parts.model, provider, model: null };
}

/** The first model of the provider that a link named, of a running one, or of any. */
export function firstChoice(all: readonly Provider[], named: string | null, last: string | null): string | null {
  const wanted = named === null ? undefined : all.find((one) => one.name === named);
  const ofWanted = wanted?.models[0]?.id;
  if (ofWanted !== undefined) return ofWanted;
  if (last !== null && resolve(last, all).provider !== null) return last;
  const ready = all.find((one) => one.status === 'running' && one.models.length > 0);
  return (ready ?? all.find((one) => one.models.length > 0))?.models[0]?.id ?? null;
}

/** The route of the page: what was chosen here, else the best guess. */
export const route = computed<Route | null>(() => {
  const named = place.value.searchParams.get('provider');
  const id = chosen.value ?? firstChoice(providers.value, named, lastUsed.value);
  return id === null ? null : resolve(id, providers.value);
});

/** No model is chosen yet, but one may be at any moment: the hub has not spoken, or a server is getting ready. */
export const isRouteComing = computed<boolean>(
  () => route.value === null && (!world.value.isKnown || providers.value.some(({ status }) => status !== 'stopped')),
);

export function choose(id: string): void {
  chosen.value = id;
  lastUsed.value = id;
  writeStored(KEY, id);
}
