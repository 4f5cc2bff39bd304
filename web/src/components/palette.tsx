import './palette.css';
import { useComputed, useSignal } from '@preact/signals';
import { Search } from 'lucide';
import { useEffect, useMemo } from 'preact/hooks';
import { now } from '../state/clock';
import { rankEntries, type Entry } from '../state/palette';
import { paletteEntries } from '../state/palette-entries';
import { moveActive } from '../state/picker';
import { ChatSearch } from '../state/search';
import { isPaletteOpen } from '../state/ui';
import { Icon } from './icon';
import { useModal } from './modal';

function usePalette() {
  const search = useMemo(() => new ChatSearch(), []);
  const groups = useComputed(() => rankEntries(paletteEntries(now.value, search.hits.value), search.query.value));
  const entries = useComputed(() => groups.value.flatMap((group) => group.entries));
  const active = useSignal(0);
  const close = (): void => {
    isPaletteOpen.value = false;
  };
  const pick = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    close();
    entry.act();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const isTextKey = (event.key === 'Home' || event.key === 'End') && search.query.value !== '';
    const next = isTextKey ? null : moveActive(active.value, event.key, entries.value.length);
    if (next !== null) active.value = next;
    else if (event.key === 'Enter') pick(entries.value[active.value]);
    else return;
    event.preventDefault();
  };
  const type = (text: string): void => {
    search.search(text);
    active.value = 0;
  };
  return { search, groups, entries, active, pick, onKeyDown, type, close };
}

interface LineProps {
  readonly entry: Entry;
  readonly id: string;
  readonly isActive: boolean;
  readonly onPick: () => void;
  readonly onHover: () => void;
}

function Line({ entry, id, isActive, onPick, onHover }: LineProps) {
  return (
    <div id={id} class={isActive ? 'palette-line is-active' : 'palette-line'} role="option" aria-selected={isActive} onClick={onPick} onPointerMove={onHover}>
      <Icon of={entry.icon} size={16} />
      <span class="palette-title">{entry.title}</span>
      {entry.detail !== undefined && <span class="palette-detail">{entry.detail}</span>}
    </div>
  );
}

/** Everything the page can do or show, by a few letters. */
export function Palette() {
  const { search, groups, entries, active, pick, onKeyDown, type, close } = usePalette();
  const { ref: dialog, onClose } = useModal(close);
  useEffect(() => {
    dialog.current?.querySelector('.is-active')?.scrollIntoView({ block: 'nearest' });
  }, [active.value]);
  const activeId = entries.value[active.value] === undefined ? undefined : `palette-${active.value}`;
  return (
    <dialog ref={dialog} class="palette" aria-label="Commands" onClose={onClose} onKeyDown={onKeyDown} onClick={(event) => event.target === dialog.current && close()}>
      <div class="palette-search">
        <Icon of={Search} size={17} />
        <input
          type="text"
          role="combobox"
          aria-label="Chats, models, pages and acts"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-autocomplete="list"
          aria-activedescendant={activeId}
          placeholder="Chats, models, pages, acts"
          autocomplete="off"
          autofocus
          spellcheck={false}
          maxLength={200}
          value={search.query.value}
          onInput={(event) => type(event.currentTarget.value)}
        />
      </div>
      <div class="palette-list" id="palette-list" role="listbox" aria-label="Commands" tabindex={-1}>
        {groups.value.map((group) => (
          <div key={group.kind} role="group" aria-label={group.kind}>
            <div class="palette-kind" role="presentation">{group.kind}</div>
            {group.entries.map((entry) => {
              const index = entries.value.indexOf(entry);
              return <Line key={entry.id} id={`palette-${index}`} entry={entry} isActive={index === active.value} onPick={() => pick(entry)} onHover={() => (active.value = index)} />;
            })}
          </div>
        ))}
      </div>
      <p class="palette-foot" role="status">
        {entries.value.length > 0 ? '' : search.isSearching.value ? 'Searching what was said' : 'Nothing has these words: no chat, model, page or act.'}
      </p>
    </dialog>
  );
}
