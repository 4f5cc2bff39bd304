import type { IconNode } from 'lucide';
import { wordsOf } from './highlight';

export type EntryKind = 'Acts' | 'Models' | 'Chats' | 'Pages' | 'In what was said';

/** One line of the palette. */
export interface Entry {
  readonly id: string;
  readonly kind: EntryKind;
  readonly title: string;
  /** A second, quieter text: where a model runs, which keys an act has. */
  readonly detail?: string;
  /** More words that find it. */
  readonly also?: string;
  readonly icon: IconNode;
  readonly act: () => void;
  /** The hub has found it by its own search: it stands whatever the words. */
  readonly isFound?: boolean;
}

/** Lines of each kind while there are no words; with words as many as fit the patience of a reader. */
const FEW: Readonly<Record<EntryKind, number>> = { Acts: 5, Models: 5, Chats: 6, Pages: 6, 'In what was said': 8 };
const MOST = 12;

/** How well a title fits one word: 3 begins with it, 2 a word of it does, 1 holds it, 0 has it scattered; null not at all. */
export function fit(title: string, word: string): number | null {
  const text = title.toLowerCase();
  if (text.startsWith(word)) return 3;
  const at = text.indexOf(word);
  if (at > 0) return /[\s/:._-]/.test(text[at - 1] ?? '') ? 2 : 1;
  let from = 0;
  for (const letter of word) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return null;
  }
  return word.length >= 3 ? 0 : null;
}

function score(entry: Entry, words: readonly string[]): number | null {
  let sum = 0;
  for (const word of words) {
    const inTitle = fit(entry.title, word);
    const beside = `${entry.detail ?? ''} ${entry.also ?? ''}`.toLowerCase().includes(word) ? 0.5 : null;
    if (inTitle === null && beside === null) return null;
    sum += Math.max(inTitle ?? 0, beside ?? 0);
  }
  return sum;
}

export interface EntryGroup {
  readonly kind: EntryKind;
  readonly entries: readonly Entry[];
}

/** What fits the words, in groups; the group with the best line stands first. */
export function rankEntries(all: readonly Entry[], query: string): readonly EntryGroup[] {
  const words = wordsOf(query);
  const scored = all
    .map((entry, order) => ({ entry, order, points: score(entry, words) ?? (entry.isFound === true ? -1 : null) }))
    .filter((one): one is typeof one & { points: number } => one.points !== null)
    .sort((a, b) => b.points - a.points || a.order - b.order);
  const groups = new Map<EntryKind, Entry[]>();
  for (const { entry } of scored) {
    const group = groups.get(entry.kind) ?? [];
    if (group.length < (words.length === 0 ? FEW[entry.kind] : MOST)) group.push(entry);
    groups.set(entry.kind, group);
  }
  return [...groups].map(([kind, entries]) => ({ kind, entries }));
}
