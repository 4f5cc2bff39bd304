import './shell.css';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect } from 'preact/hooks';
import { go, path } from '../router';
import { removeChat } from '../state/chat-acts';
import { chatIdOf } from '../state/conversations';
import { focusComposer, focusOn } from '../state/focus';
import { onAct } from '../state/shortcuts';
import { chatsById, connection, world } from '../state/store';
import { TEMPORARY } from '../state/temporary';
import { pending, undo, undoTrouble } from '../state/undo';
import { isConnectOpen, isDrawerOpen, isPaletteOpen, isPanelOpen, isShortcutsOpen, moving, openShortcuts, sharing } from '../state/ui';
import { GoneBar } from './gone-bar';
import { lazy } from './lazy';
import { MenuLayer } from './menu';
import { MenuButton } from './route-line';
import { Sidebar } from './sidebar';
import { SignInAgain } from './sign-in-again';
import { TroubleNote } from './trouble';

/** What was just removed and can be taken back for ten seconds. */
function UndoBar() {
  const trouble = undoTrouble.value;
  return (
    <section class="undo-bars" aria-label="Just removed" aria-live="polite">
      {pending.value.map(({ id, words }) => (
        <div class="undo-bar" key={id}>
          <span>{words}</span>
          <button type="button" class="button is-small" onClick={() => undo(id)}>Undo</button>
        </div>
      ))}
      {trouble !== null && (
        <TroubleNote trouble={trouble}>
          <button type="button" class="button is-small" onClick={() => (undoTrouble.value = null)}>Close</button>
        </TroubleNote>
      )}
    </section>
  );
}

const Palette = lazy(async () => (await import('./palette')).Palette);
const ShortcutList = lazy(async () => (await import('./shortcut-list')).ShortcutList);
const FolderDialog = lazy(async () => (await import('./folder-dialog')).FolderDialog);
const ShareDialog = lazy(async () => (await import('./share-dialog')).ShareDialog);
const ConnectDialog = lazy(async () => (await import('./connect')).ConnectDialog);

/** Panels above the page; their code comes when the first one is opened, and before that in idle time. */
function Panels() {
  return (
    <>
      {isPaletteOpen.value && <Palette />}
      {isShortcutsOpen.value && <ShortcutList />}
      {moving.value !== null && <FolderDialog />}
      {sharing.value !== null && <ShareDialog />}
      {isConnectOpen.value && <ConnectDialog />}
      <MenuLayer />
      <SignInAgain />
    </>
  );
}

function searchChats(): void {
  isDrawerOpen.value = true;
  // The drawer is the sidebar of a narrow page; on a wide one the field is there already.
  requestAnimationFrame(() => focusOn('chat-search'));
}

function deleteThisChat(): void {
  const chat = chatsById.peek().get(chatIdOf(path.peek()) ?? '');
  if (chat !== undefined) removeChat(chat);
}

function goAndWrite(to: string): void {
  go(to);
  requestAnimationFrame(focusComposer);
}

/** What the shortcuts of the whole page do. A press is left alone while a panel is open. */
function useShellShortcuts(): void {
  useLayoutEffect(() => {
    const unlessPanel = (act: () => void) => (): void => {
      if (!isPanelOpen.peek()) act();
    };
    const undone = [
      onAct('palette', () => (isPaletteOpen.value = !isPaletteOpen.peek())),
      onAct('new-chat', unlessPanel(() => goAndWrite('/'))),
      onAct('temporary-chat', unlessPanel(() => goAndWrite(TEMPORARY))),
      onAct('search', unlessPanel(searchChats)),
      onAct('write', unlessPanel(focusComposer)),
      onAct('delete-chat', unlessPanel(deleteThisChat)),
      onAct('shortcuts', unlessPanel(openShortcuts)),
    ];
    return () => undone.forEach((undo) => undo());
  }, []);
}

function useDrawer(): void {
  useEffect(() => {
    const wide = window.matchMedia('(width >= 54rem)');
    const onWide = (): void => {
      if (wide.matches) isDrawerOpen.value = false;
    };
    wide.addEventListener('change', onWide);
    return () => wide.removeEventListener('change', onWide);
  }, []);
  useEffect(() => {
    isDrawerOpen.value = false;
  }, [path.value]);
}

/** Fetches the panels' code once the page is ready and the browser has nothing better to do. */
function usePrefetch(): void {
  useEffect(() => {
    const timer = setTimeout(() => [Palette, ConnectDialog, ShortcutList].forEach(({ prefetch }) => prefetch()), PREFETCH_MS);
    return () => clearTimeout(timer);
  }, []);
}

const PREFETCH_MS = 2000;

/** The frame of every page of somebody who is signed in. */
export function Shell({ children }: { readonly children: ComponentChildren }) {
  useShellShortcuts();
  useDrawer();
  usePrefetch();
  return (
    <div class="shell">
      <Sidebar />
      {isDrawerOpen.value && <div class="scrim" onClick={() => (isDrawerOpen.value = false)} />}
      <main class="shell-main" inert={isDrawerOpen.value}>
        <GoneBar />
        {children}
      </main>
      <UndoBar />
      <Panels />
    </div>
  );
}

interface PageProps {
  readonly title: string;
  readonly acts?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A page that is not the chat: its title, what can be done, and a column. */
export function Page({ title, acts, children }: PageProps) {
  const isLost = connection.value === 'retrying' && world.value.isKnown;
  useEffect(() => {
    document.title = `${title} · Underpass`;
  }, [title]);
  return (
    <div class="page">
      <div class="page-column">
        <header class="page-head">
          <MenuButton />
          <h1>{title}</h1>
          <div class="page-acts">{acts}</div>
        </header>
        {isLost && <p class="page-lost" role="status">No contact with the hub; trying again. What you see may be old.</p>}
        {children}
      </div>
    </div>
  );
}
