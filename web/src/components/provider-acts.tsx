import { useSignal } from '@preact/signals';
import { Pencil, Share2, Trash2 } from 'lucide';
import { customProviders as api } from '../api/providers';
import type { Provider } from '../api/types';
import { removeWithUndo } from '../state/undo';
import { Icon } from './icon';
import { lazy } from './lazy';

const ProviderDialog = lazy(async () => (await import('./provider-dialog')).ProviderDialog);
const PermissionsDialog = lazy(async () => (await import('./permissions-dialog')).PermissionsDialog);

interface Props {
  readonly provider: Provider;
  readonly onChanged?: () => void;
}

/** Edit, share and remove, for who may. The Share of a tunnel's provider says why there is none. */
export function ProviderActs({ provider, onChanged = () => undefined }: Props) {
  const open = useSignal<'edit' | 'share' | null>(null);
  const close = (): void => {
    open.value = null;
  };
  const isMine = provider.endpoint !== null;
  const remove = (): void =>
    removeWithUndo(provider.id, `Endpoint ${provider.name} removed.`, async () => {
      await api.remove(provider.id);
      onChanged();
    });
  return (
    <>
      {(isMine || !provider.shareable) && <button type="button" class="icon-button" aria-label={`Share ${provider.name}`} title="Share" onClick={() => (open.value = 'share')}><Icon of={Share2} size={16} /></button>}
      {isMine && <button type="button" class="icon-button" aria-label={`Edit ${provider.name}`} title="Edit" onClick={() => (open.value = 'edit')}><Icon of={Pencil} size={16} /></button>}
      {isMine && <button type="button" class="icon-button" aria-label={`Remove ${provider.name}`} title="Remove" onClick={remove}><Icon of={Trash2} size={16} /></button>}
      {open.value === 'share' && <PermissionsDialog provider={provider} onClose={close} />}
      {open.value === 'edit' && (
        <ProviderDialog
          provider={provider}
          onClose={close}
          onSaved={() => {
            close();
            onChanged();
          }}
        />
      )}
    </>
  );
}
