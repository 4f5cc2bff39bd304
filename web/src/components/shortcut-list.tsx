import './shortcut-list.css';
import { sendKey } from '../state/preferences';
import { keyNames, SHORTCUTS } from '../state/shortcuts';
import { isShortcutsOpen } from '../state/ui';
import { Dialog } from './dialog';

interface Line {
  readonly words: string;
  readonly keys: string;
}

/** Keys of the field and of lists: they are not in the table, because the elements themselves listen. */
function others(): readonly Line[] {
  const isEnter = sendKey.value === 'enter';
  return [
    { words: 'Send the message', keys: isEnter ? 'Enter' : 'mod Enter' },
    { words: 'New line in the message', keys: isEnter ? 'shift Enter' : 'Enter' },
    { words: 'Stop the answer, close a panel', keys: 'Escape' },
  ];
}

function Lines({ all }: { readonly all: readonly Line[] }) {
  return (
    <dl class="shortcuts">
      {all.map(({ words, keys }) => (
        <div key={words}>
          <dt>{words}</dt>
          <dd>{keyNames(keys).map((name) => <kbd key={name}>{name}</kbd>)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** All keyboard shortcuts, from the table that the page listens by. */
export function ShortcutList() {
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (isShortcutsOpen.value = false)}>
      <Lines all={[...others(), ...SHORTCUTS]} />
      <p class="quiet">In lists and menus: arrows, Home, End, Enter, and the first letters of a line.</p>
    </Dialog>
  );
}
