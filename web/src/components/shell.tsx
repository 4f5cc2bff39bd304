import './shell.css';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { go, path } from '../router';
import { connection, world } from '../state/store';
import { pending, undo, undoTrouble } from '../state/undo';
import { isDrawerOpen } from '../state/ui';
import { ConnectDialog } from './connect';
import { MenuButton } from './route-line';
import { Sidebar } from './sidebar';
import { TroubleNote } from './trouble';

/** What was just removed and can be taken back for ten seconds. */
function UndoBar() {
  const trouble = undoTrouble.value;
  return (
    <div class="undo-bars" role="status">
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
    </div>
  );
}

function useShellKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if ((event.metaKey || event.ctrlKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        go('/');
      }
    };
    const wide = window.matchMedia('(width >= 54rem)');
    const onWide = (): void => {
      if (wide.matches) isDrawerOpen.value = false;
    };
    document.addEventListener('keydown', onKey);
    wide.addEventListener('change', onWide);
    return () => {
      document.removeEventListener('keydown', onKey);
      wide.removeEventListener('change', onWide);
    };
  }, []);
  useEffect(() => {
    isDrawerOpen.value = false;
  }, [path.value]);
}

/** The frame of every page of somebody who is signed in. */
export function Shell({ children }: { readonly children: ComponentChildren }) {
  useShellKeys();
  return (
    <div class="shell">
      <Sidebar />
      {isDrawerOpen.value && <div class="scrim" onClick={() => (isDrawerOpen.value = false)} />}
      <main class="shell-main" inert={isDrawerOpen.value}>{children}</main>
      <UndoBar />
      <ConnectDialog />
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
