import './picker.css';
import { useComputed, useSignal } from '@preact/signals';
import { Plus, Search } from 'lucide';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { revivalOf } from '../state/acts';
import { choose, route } from '../state/choice';
import { now } from '../state/clock';
import { firstActive, moveActive, pickerGroups, type PickerOption } from '../state/picker';
import { providers } from '../state/store';
import { openConnect } from '../state/ui';
import { Icon } from './icon';
import { Status } from './status';

interface OptionProps {
  readonly option: PickerOption;
  readonly id: string;
  readonly isActive: boolean;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
  readonly onHover: () => void;
}

function Option({ option, id, isActive, isChosen, onChoose, onHover }: OptionProps) {
  const { provider } = option;
  const isStopped = provider.status === 'stopped';
  const revival = isStopped ? revivalOf(provider) : null;
  const className = `picker-option${isActive ? ' is-active' : ''}${isStopped ? ' is-stopped' : ''}`;
  const revive = (event: MouseEvent): void => {
    event.stopPropagation();
    void revival?.act();
    onChoose();
  };
  return (
    <div
      id={id}
      class={className}
      role="option"
      aria-selected={isChosen}
      aria-disabled={option.modelId === null}
      onClick={onChoose}
      onPointerMove={onHover}
    >
      <span class="picker-name">
        <span class="picker-model">{option.name}</span>
        {option.modelId !== null && <span class="picker-provider">{provider.name}</span>}
      </span>
      <span class="picker-detail">{option.detail}</span>
      <span class="picker-state">
        <Status status={provider.status} />
        {revival !== null && (
          <span class="picker-restart" aria-hidden="true" onClick={revive}>
            {revival.words}
          </span>
        )}
      </span>
    </div>
  );
}

/** Everything about moving and choosing in one place; the lines only draw. */
function usePicker(onClose: () => void) {
  const query = useSignal('');
  const groups = useComputed(() => pickerGroups(providers.value, query.value, now.value));
  const options = useComputed(() => groups.value.flatMap((group) => group.options));
  const active = useSignal(firstActive(options.peek(), route.peek()?.modelId ?? null));
  const pick = (option: PickerOption | undefined): void => {
    if (option?.modelId === null || option === undefined) return;
    choose(option.modelId);
    onClose();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const next = moveActive(active.value, event.key, options.value.length);
    // Home and End move in the text while there is text to move in.
    const isTextKey = (event.key === 'Home' || event.key === 'End') && query.value !== '';
    if (next !== null && !isTextKey) active.value = next;
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
  return { query, groups, options, active, pick, onKeyDown, search };
}

function Empty({ isSearch }: { readonly isSearch: boolean }) {
  if (isSearch) return <p class="picker-empty">Nothing matches. Search by model, provider, host or status.</p>;
  return <p class="picker-empty">No model is connected yet. Start a session, or open a tunnel to a model that you run.</p>;
}

/** Takes the focus, keeps the active line in view, and closes when something else is pressed. */
function usePickerPage(box: RefObject<HTMLDivElement | null>, active: number, onClose: () => void): void {
  useEffect(() => box.current?.querySelector('input')?.focus(), [box]);
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

/** The list of all models, by provider and with their statuses. Search, arrows, Enter, Escape. */
export function Picker({ onClose }: { readonly onClose: () => void }) {
  const { query, groups, options, active, pick, onKeyDown, search } = usePicker(onClose);
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
        {groups.value.map((group) => (
          <div key={group.title} role="group" aria-label={group.title} class="picker-group">
            <div class="picker-title" role="presentation">{group.title}</div>
            {group.options.map((option) => {
              const index = options.value.indexOf(option);
              return (
                <Option
                  key={option.key}
                  id={`picker-${index}`}
                  option={option}
                  isActive={index === active.value}
                  isChosen={option.modelId !== null && option.modelId === route.value?.modelId}
                  onChoose={() => pick(option)}
                  onHover={() => (active.value = index)}
                />
              );
            })}
          </div>
        ))}
      </div>
      {options.value.length === 0 && <Empty isSearch={query.value !== ''} />}
      <button
        type="button"
        class="picker-connect"
        onClick={() => {
          onClose();
          openConnect();
        }}
      >
        <Icon of={Plus} size={16} /> Connect a model
      </button>
    </div>
  );
}
