import { Archive, ArchiveRestore, FileJson, FileText, FolderInput, Pencil, Pin, PinOff, Share2, Trash2 } from 'lucide';
import type { IconNode } from 'lucide';
import { exchange, type ExportFormat } from '../api/library';
import type { ChatSummary } from '../api/types';
import { archiveChat, pinChat, removeChat, renaming } from './chat-acts';
import type { MenuItem } from './menu';
import { isDrawerOpen, moving, sharing } from './ui';

/** A panel above the page: the drawer, if the act came from there, gives way. */
function openPanel(panel: typeof moving, chat: ChatSummary): void {
  isDrawerOpen.value = false;
  panel.value = chat.id;
}

function exportLine(chat: ChatSummary, format: ExportFormat, name: string, icon: IconNode): MenuItem {
  return { words: `Export as ${name}`, full: `Export this chat as ${name}`, icon, href: exchange.exportPath(chat.id, format), isDownload: true };
}

function pinLine(chat: ChatSummary): MenuItem {
  const act = (): void => void pinChat(chat);
  return chat.is_pinned ? { words: 'Unpin', full: 'Unpin this chat', icon: PinOff, act } : { words: 'Pin', full: 'Pin this chat', icon: Pin, act };
}

function archiveLine(chat: ChatSummary): MenuItem {
  const act = (): void => void archiveChat(chat);
  return chat.is_archived
    ? { words: 'Take out of the archive', full: 'Take this chat out of the archive', icon: ArchiveRestore, act }
    : { words: 'Archive', full: 'Archive this chat', icon: Archive, act };
}

/** What can be done with a chat, in the order of how often people do it. */
export function chatMenu(chat: ChatSummary): readonly MenuItem[] {
  return [
    { words: 'Rename', full: 'Rename this chat', icon: Pencil, act: () => (renaming.value = chat.id) },
    ...(chat.is_archived ? [] : [pinLine(chat)]),
    { words: 'Move to a folder', full: 'Move this chat to a folder', icon: FolderInput, act: () => openPanel(moving, chat) },
    { words: chat.is_shared ? 'Sharing' : 'Share', full: chat.is_shared ? 'Sharing of this chat' : 'Share this chat', icon: Share2, act: () => openPanel(sharing, chat) },
    exportLine(chat, 'markdown', 'Markdown', FileText),
    exportLine(chat, 'json', 'JSON', FileJson),
    archiveLine(chat),
    { words: 'Delete', full: 'Delete this chat', icon: Trash2, act: () => removeChat(chat), isBad: true },
  ];
}
