import { Cpu } from 'lucide';
import type { Provider } from '../api/types';
import type { MenuItem } from './menu';

/** The models that would answer now, as lines of a menu; `except` is left out. */
export function modelItems(all: readonly Provider[], act: (modelId: string) => void, except: string | null = null): readonly MenuItem[] {
  return all
    .filter(({ status }) => status === 'running')
    .flatMap(({ name, models }) => models.map((model) => ({ id: model.id, words: `${model.name} · ${name}` })))
    .filter(({ id }) => id !== except)
    .map(({ id, words }) => ({ words, icon: Cpu, act: () => act(id) }));
}
