import { RotateCcw, Star } from 'lucide';
import type { Provider } from '../api/types';
import { now } from '../state/clock';
import { favourites, toggleFavourite } from '../state/preferences';
import { detailOf, type PickerGroup, type PickerOption } from '../state/picker';
import { Icon } from './icon';
import { Status } from './status';

interface LineProps {
  readonly option: PickerOption;
  readonly id: string;
  readonly isActive: boolean;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
  readonly onHover: () => void;
}

/** For pointers; the keyboard has Alt+F, since a listbox holds no buttons. */
function FavouriteStar({ modelId, name }: { readonly modelId: string; readonly name: string }) {
  const isFavourite = favourites.value.has(modelId);
  const toggle = (event: MouseEvent): void => {
    event.stopPropagation();
    void toggleFavourite(modelId);
  };
  return (
    <span class={isFavourite ? 'picker-star is-on' : 'picker-star'} aria-hidden="true" title={isFavourite ? `${name} is a favourite` : `Make ${name} a favourite`} onClick={toggle}>
      <Icon of={Star} size={16} />
    </span>
  );
}

export function PickerLine({ option, id, isActive, isChosen, onChoose, onHover }: LineProps) {
  const { kind, modelId, name, detail, provider } = option;
  const isStopped = provider.status === 'stopped';
  const className = `picker-option is-${kind}${isActive ? ' is-active' : ''}${isStopped ? ' is-stopped' : ''}`;
  const isFavourite = modelId !== null && favourites.value.has(modelId);
  return (
    <div id={id} class={className} role="option" aria-selected={isChosen} aria-disabled={kind === 'model' && modelId === null} onClick={onChoose} onPointerMove={onHover}>
      {kind === 'revival' && <Icon of={RotateCcw} size={15} />}
      <span class="picker-model">{name}</span>
      <span class="picker-detail">{detail}</span>
      {isFavourite && <span class="unseen">favourite</span>}
      {modelId !== null && <FavouriteStar modelId={modelId} name={name} />}
    </div>
  );
}

function ProviderHead({ provider }: { readonly provider: Provider }) {
  return (
    <div class="picker-provider" role="presentation">
      <span class="picker-name">{provider.name}</span>
      <Status status={provider.status} />
      <span class="picker-detail">{detailOf(provider, now.value)}</span>
    </div>
  );
}

/** The head of a group; the name of its section stands above the first group of each. */
export function PickerHead({ group, isFirst }: { readonly group: PickerGroup; readonly isFirst: boolean }) {
  return (
    <>
      {isFirst && <div class="picker-section" role="presentation">{group.section}</div>}
      {group.provider !== null && <ProviderHead provider={group.provider} />}
    </>
  );
}

/** What a screen reader says of a group. */
export function groupLabel({ section, provider }: PickerGroup): string {
  return provider === null ? section : [provider.name, provider.status, detailOf(provider, now.peek())].filter((part) => part !== '').join(', ');
}
