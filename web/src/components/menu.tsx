import './menu.css';
import { Ellipsis } from 'lucide';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { closeMenu, lineBeginning, menu, menuPlace, toggleMenu, type MenuItem, type OpenMenu } from '../state/menu';
import { moveActive } from '../state/picker';
import { Icon } from './icon';

interface MenuButtonProps {
  readonly label: string;
  /** Asked when it opens, so that the lines are those of now. */
  readonly items: () => readonly MenuItem[];
}

/** Three dots that open a menu, by pointer, touch or keyboard. */
export function MoreButton({ label, items }: MenuButtonProps) {
  const button = useRef<HTMLButtonElement>(null);
  const isOpen = menu.value !== null && menu.value.anchor === button.current;
  const open = (): void => {
    if (button.current !== null) toggleMenu({ label, items: items(), anchor: button.current });
  };
  return (
    <button
      ref={button}
      type="button"
      class="icon-button"
      aria-label={label}
      aria-haspopup="menu"
      aria-expanded={isOpen}
      title="More"
      onClick={open}
      onKeyDown={(event) => {
        if (event.key !== 'ArrowDown') return;
        event.preventDefault();
        open();
      }}
    >
      <Icon of={Ellipsis} size={17} />
    </button>
  );
}

function Line({ item }: { readonly item: MenuItem }) {
  const className = item.isBad === true ? 'menu-line is-bad' : 'menu-line';
  const inner = <><Icon of={item.icon} size={16} /> {item.words}</>;
  if (item.href !== undefined) {
    const download = item.isDownload === true ? { download: '' } : {};
    return <a class={className} role="menuitem" tabindex={-1} href={item.href} {...download} onClick={() => closeMenu()}>{inner}</a>;
  }
  const act = (): void => {
    closeMenu();
    item.act?.();
  };
  return <button type="button" class={className} role="menuitem" tabindex={-1} onClick={act}>{inner}</button>;
}

/** Puts the menu beside its anchor; through the DOM, since styles in HTML are forbidden here. */
function place(box: HTMLElement, anchor: HTMLElement): void {
  const { width, height } = box.getBoundingClientRect();
  const at = menuPlace(anchor.getBoundingClientRect(), { width, height }, { width: window.innerWidth, height: window.innerHeight });
  box.style.left = `${at.left}px`;
  box.style.top = `${at.top}px`;
}

function useMenuKeys(open: OpenMenu) {
  const box = useRef<HTMLDivElement>(null);
  const lines = (): HTMLElement[] => [...(box.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
  useLayoutEffect(() => {
    if (box.current !== null) place(box.current, open.anchor);
    lines()[0]?.focus();
  }, [open]);
  useEffect(() => {
    const closeOutside = (event: Event): void => {
      const isWithin = event.target instanceof Node && (box.current?.contains(event.target) === true || open.anchor.contains(event.target));
      if (!isWithin) closeMenu(false);
    };
    const closeQuietly = (): void => closeMenu(false);
    // The browser tells of a scroll a frame later: one that brought the anchor into view may come after the menu opened.
    const { top, left } = open.anchor.getBoundingClientRect();
    const closeIfMoved = (): void => {
      const now = open.anchor.getBoundingClientRect();
      if (now.top !== top || now.left !== left) closeMenu(false);
    };
    document.addEventListener('pointerdown', closeOutside);
    document.addEventListener('scroll', closeIfMoved, true);
    window.addEventListener('resize', closeQuietly);
    return () => {
      document.removeEventListener('pointerdown', closeOutside);
      document.removeEventListener('scroll', closeIfMoved, true);
      window.removeEventListener('resize', closeQuietly);
    };
  }, [open]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const all = lines();
    const at = all.findIndex((line) => line === document.activeElement);
    const isLetter = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey;
    const next = isLetter ? lineBeginning(open.items, event.key, at) : moveActive(at, event.key, all.length);
    if (event.key === 'Escape' || event.key === 'Tab') closeMenu();
    else if (next !== null) all[next]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return { box, onKeyDown };
}

function MenuBox({ open }: { readonly open: OpenMenu }) {
  const { box, onKeyDown } = useMenuKeys(open);
  return (
    <section aria-label={open.label}>
      <div ref={box} class="menu" role="menu" aria-label={open.label} onKeyDown={onKeyDown}>
        {open.items.map((item) => <Line key={item.words} item={item} />)}
      </div>
    </section>
  );
}

/** Where the open menu is drawn: above everything, so that no list cuts it off. */
export function MenuLayer() {
  const open = menu.value;
  return open === null ? null : <MenuBox key={open.label} open={open} />;
}
