import { computed } from '@preact/signals';
import { place } from '../router';

/** The address of a chat that will leave no trace. */
export const TEMPORARY = '/?temporary=1';

export function isTemporary(at: URL): boolean {
  return at.pathname === '/' && at.searchParams.get('temporary') === '1';
}

/** Whether the page is about to begin a temporary chat. */
export const isTemporaryHere = computed(() => isTemporary(place.value));
