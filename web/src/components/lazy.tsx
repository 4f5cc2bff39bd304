import { signal } from '@preact/signals';
import type { ComponentType, VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { toTrouble } from '../api/errors';
import type { Trouble } from '../api/types';
import { TroubleNote } from './trouble';

export interface Lazy<P> {
  (props: P): VNode | null;
  /** Fetches the code before somebody asks for it. */
  readonly prefetch: () => void;
}

/**
 * A component whose code is fetched when it is first drawn, so that the first paint need not wait for it.
 * A fetch that fails (the hub was updated or is away) says so in its place and can be tried again.
 */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): Lazy<P> {
  const loaded = signal<ComponentType<P> | null>(null);
  const trouble = signal<Trouble | null>(null);
  let loading: Promise<void> | null = null;
  const fetchCode = (): void => {
    trouble.value = null;
    loading ??= load().then(
      (component) => void (loaded.value = component),
      (error: unknown) => {
        loading = null;
        trouble.value = { ...toTrouble(error), code: 'code_missing', message: 'This part of the page could not be fetched from the hub.' };
      },
    );
  };
  function Shown(props: P): VNode | null {
    useEffect(fetchCode, []);
    const Component = loaded.value;
    if (Component !== null) return <Component {...props} />;
    if (trouble.value === null) return null;
    return (
      <TroubleNote trouble={trouble.value}>
        <button type="button" class="button is-small" onClick={fetchCode}>Try again</button>
      </TroubleNote>
    );
  }
  return Object.assign(Shown, { prefetch: fetchCode });
}
