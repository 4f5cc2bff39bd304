import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import type { Page, Trouble } from '../api/types';
import { TroubleNote } from './trouble';

export interface Listing<T> {
  /** Null until the first answer. */
  readonly items: Signal<readonly T[] | null>;
  readonly trouble: Signal<Trouble | null>;
  readonly isBusy: Signal<boolean>;
  readonly hasMore: Signal<boolean>;
  /** Reads the list anew, from its beginning. */
  readonly load: () => Promise<void>;
  readonly more: () => Promise<void>;
}

/** A list of the hub's, a part at a time; read anew when one of `when` changes. */
export function useListing<T>(fetchPart: (after: string | null) => Promise<Page<T>>, when: readonly unknown[] = []): Listing<T> {
  const items = useSignal<readonly T[] | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const hasMore = useSignal(false);
  const next = useSignal<string | null>(null);
  const asked = useSignal(0);
  const read = async (after: string | null): Promise<void> => {
    const mine = (asked.value += 1);
    isBusy.value = true;
    try {
      const part = await fetchPart(after);
      // An answer to an older question (other filters) says nothing any more.
      if (mine !== asked.peek()) return;
      items.value = after === null ? part.items : [...(items.peek() ?? []), ...part.items];
      next.value = part.next;
      hasMore.value = part.next !== null;
      trouble.value = null;
    } catch (error) {
      if (mine === asked.peek()) trouble.value = toTrouble(error);
    } finally {
      if (mine === asked.peek()) isBusy.value = false;
    }
  };
  const load = (): Promise<void> => read(null);
  const more = (): Promise<void> => read(next.peek());
  useEffect(() => void load(), when);
  return { items, trouble, isBusy, hasMore, load, more };
}

/** Puts a changed one in its place, or takes a removed one out. */
export function swap<T extends { readonly id: string }>(all: Listing<T>, id: string, next: T | null): void {
  const items = all.items.peek() ?? [];
  all.items.value = items.flatMap((one) => (one.id !== id ? [one] : next === null ? [] : [next]));
}

/** What stands below every list: its trouble, and the way to the rest of it. */
export function ListingFoot<T>({ of }: { readonly of: Listing<T> }) {
  return (
    <>
      {of.trouble.value !== null && (
        <TroubleNote trouble={of.trouble.value}>
          <button type="button" class="button is-small" onClick={() => void of.load()}>Try again</button>
        </TroubleNote>
      )}
      {of.hasMore.value && <div><button type="button" class="button" aria-disabled={of.isBusy.value} onClick={() => void of.more()}>Show more</button></div>}
    </>
  );
}
