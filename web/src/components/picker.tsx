import './picker.css';
import { useComputed, useSignal } from '@preact/signals';
import { Plus, Search } from 'lucide';
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { revivalOf } from '../state/acts';
import { choose, route } from '../state/choice';
import { now } from '../state/clock';
import { favourites, preferencesTrouble, toggleFavourite } from '../state/preferences';
import { firstActive, moveActive, pickerGroups, type PickerOption } from '../state/picker';
import { providers, world } from '../state/store';
import { openConnect } from '../state/ui';
import { Icon } from './icon';
import { groupLabel, PickerHead, PickerLine } from './picker-line';
import { TroubleNote } from './trouble';

/** Everything about moving and choosing in one place; the lines only draw. */
function usePicker(onClose: () => void) {
  const query = useSignal('');
  const said = useSignal('');
  const groups = useComputed(() =>
    pickerGroups(providers.value, {
      query: query.value,
      now: now.value,
      favourites: favourites.value,
      revivalWords: (provider) => revivalOf(provider)?.words ?? null,
    }),
  );
  const options = useComputed(() => groups.value.flatMap((group) => group.options));
  const active = useSignal(firstActive(options.peek(), route.peek()?.modelId ?? null));
  const pick = (option: PickerOption | undefined): void => {
    if (option?.kind === 'revival') void revivalOf(option.provider)?.act();
    // A stopped provider that is had back is where the words will go, too.
    const modelId = option?.kind === 'revival' ? (option.provider.models[0]?.id ?? null) : (option?.modelId ?? null);
    if (modelId !== null) choose(modelId);
    if (modelId !== null || option?.kind === 'revival') onClose();
  };
  const star = (option: PickerOption | undefined): void => {
    if (option === undefined || option.modelId === null) return;
    said.value = `${option.name} ${favourites.peek().has(option.modelId) ? 'is no favourite any more' : 'is a favourite'}`;
    void toggleFavourite(option.modelId);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    // Home and End move in the text while there is text to move in.
    const isTextKey = (event.key === 'Home' || event.key === 'End') && query.value !== '';
    const next = isTextKey ? null : moveActive(active.value, event.key, options.value.length);
    if (next !== null) active.value = next;
    else if (event.altKey && event.code === 'KeyF') star(options.value[active.value]);
    else if (event.key === 'Enter') pick(options.value[active.value]);
    else if (event.key === 'Escape') onClose();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const search = (text: string): void => {
    query.value = text;
    active.value = 0;
  };
  return { query, said, groups, options, active, pick, onKeyDown, search };
}

function Empty({ isSearch }: { readonly isSearch: boolean }) {
  if (!world.value.isKnown) return <p class="picker-empty">Looking for your models.</p>;
  if (isSearch) return <p class="picker-empty">Nothing matches. Search by model, provider, host, cluster, GPU or status.</p>;
  return <p class="picker-empty">No model is connected yet. Start a session, or open a tunnel to a model that you run.</p>;
}

/** Takes the focus, keeps the active line in view, and closes when something else is pressed. */
function usePickerPage(box: RefObject<HTMLDivElement | null>, active: number, onClose: () => void): void {
  useLayoutEffect(() => box.current?.querySelector('input')?.focus(), [box]);
  useEffect(() => {
    box.current?.querySelector('.is-active')?.scrollIntoView({ block: 'nearest' });
  }, [box, active]);
  useEffect(() => {
    const closeOutside = (event: PointerEvent): void => {
      if (event.target instanceof Element && event.target.closest('.route-box') === null) onClose();
    };
    document.addEventListener('pointerdown', closeOutside);
    return () => document.removeEventListener('pointerdown', closeOutside);
  }, [onClose]);
}

function Foot({ said, onClose }: { readonly said: string; readonly onClose: () => void }) {
  const connect = (): void => {
    onClose();
    openConnect();
  };
  return (
    <div class="picker-foot">
      <button type="button" class="picker-connect" onClick={connect}><Icon of={Plus} size={16} /> Connect a model</button>
      <span class="picker-hint"><kbd>Alt</kbd> <kbd>F</kbd> favourite</span>
      <span class="unseen" role="status">{said}</span>
    </div>
  );
}

/** The list of all models, by provider and with their statuses. Search, arrows, Enter, Escape. */
export function Picker({ onClose }: { readonly onClose: () => void }) {
  const { query, said, groups, options, active, pick, onKeyDown, search } = usePicker(onClose);
  const box = useRef<HTMLDivElement>(null);
  usePickerPage(box, active.value, onClose);
  const activeId = options.value[active.value] === undefined ? undefined : `picker-${active.value}`;
  return (
    <div class="picker" ref={box} onKeyDown={onKeyDown}>
      <div class="picker-search">
        <Icon of={Search} size={16} />
        <input
          type="text"
          role="combobox"
          aria-label="Search models"
          aria-expanded="true"
          aria-controls="picker-list"
          aria-autocomplete="list"
          aria-activedescendant={activeId}
          placeholder="Search models, providers, hosts"
          autocomplete="off"
          spellcheck={false}
          value={query.value}
          onInput={(event) => search(event.currentTarget.value)}
        />
      </div>
      <div class="picker-list" id="picker-list" role="listbox" aria-label="Models" tabindex={-1}>
        {groups.value.map((group, at) => (
          <div key={group.key} role="group" aria-label={groupLabel(group)} class={group.provider?.status === 'stopped' ? 'picker-group is-stopped' : 'picker-group'}>
            <PickerHead group={group} isFirst={groups.value[at - 1]?.section !== group.section} />
            {group.options.map((option) => {
              const index = options.value.indexOf(option);
              return (
                <PickerLine
                  key={option.key}
                  id={`picker-${index}`}
                  option={option}
                  isActive={index === active.value}
                  isChosen={group.provider !== null && option.modelId !== null && option.modelId === route.value?.modelId}
                  onChoose={() => pick(option)}
                  onHover={() => (active.value = index)}
                />
              );
            })}
          </div>
        ))}
      </div>
      {options.value.length === 0 && <Empty isSearch={query.value !== ''} />}
      {preferencesTrouble.value !== null && <TroubleNote trouble={preferencesTrouble.value} />}
      <Foot said={said.value} onClose={onClose} />
    </div>
  );
}
