import './folder-dialog.css';
import { useSignal } from '@preact/signals';
import { Folder, FolderMinus, FolderPlus } from 'lucide';
import type { IconNode } from 'lucide';
import type { ChatSummary } from '../api/types';
import { moveChat } from '../state/chat-acts';
import { folderNames } from '../state/chat-groups';
import { folders } from '../state/chat-list';
import { chats } from '../state/store';
import { moving } from '../state/ui';
import { titleOf } from './chat-row';
import { Dialog } from './dialog';
import { Icon } from './icon';

const close = (): void => {
  moving.value = null;
};

interface ChoiceProps {
  readonly icon: IconNode;
  readonly words: string;
  readonly isHere: boolean;
  readonly onChoose: () => void;
}

function Choice({ icon, words, isHere, onChoose }: ChoiceProps) {
  return (
    <li>
      <button type="button" class="folder-choice" aria-current={isHere} onClick={onChoose}>
        <Icon of={icon} size={17} /> <span>{words}</span> {isHere && <span class="quiet">it is here now</span>}
      </button>
    </li>
  );
}

/** Puts a chat into a folder, an existing one or a new one, or takes it out. */
function Body({ chat }: { readonly chat: ChatSummary }) {
  const name = useSignal('');
  const move = (folder: string | null): void => {
    close();
    if (folder !== chat.folder) void moveChat(chat, folder);
  };
  const make = (event: Event): void => {
    event.preventDefault();
    const words = name.value.trim();
    if (words !== '') move(words);
  };
  return (
    <>
      <ul class="folder-choices">
        {chat.folder !== null && <Choice icon={FolderMinus} words="No folder" isHere={false} onChoose={() => move(null)} />}
        {folderNames(folders.value, chats.value).map((folder) => (
          <Choice key={folder} icon={Folder} words={folder} isHere={folder === chat.folder} onChoose={() => move(folder)} />
        ))}
      </ul>
      <form class="folder-new" onSubmit={make}>
        <Icon of={FolderPlus} size={17} />
        <input class="input" aria-label="Name of a new folder" placeholder="A new folder" maxLength={100} autocomplete="off" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        <button type="submit" class="button is-main" aria-disabled={name.value.trim() === ''}>Make and move</button>
      </form>
    </>
  );
}

export function FolderDialog() {
  const chat = chats.value.find(({ id }) => id === moving.value);
  if (chat === undefined) return null;
  return (
    <Dialog title={`Move “${titleOf(chat)}”`} onClose={close}>
      <Body chat={chat} />
    </Dialog>
  );
}
