import { RotateCw } from 'lucide';
import { revivalOf } from '../state/acts';
import { world } from '../state/store';
import { Icon } from './icon';

/** Has the session or the tunnel of a provider back, where one can and it is not running. */
export function ReviveButton({ providerId }: { readonly providerId: string | null }) {
  const provider = providerId === null ? undefined : world.value.providers.get(providerId);
  if (provider?.status !== 'stopped') return null;
  const revival = revivalOf(provider);
  if (revival === null) return null;
  return (
    <button type="button" class="button is-small" onClick={() => void revival.act()}>
      <Icon of={RotateCw} size={15} /> {revival.words}
    </button>
  );
}
