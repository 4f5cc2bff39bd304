import { computed, signal } from '@preact/signals';

/** Where the browser is. Pages read it; links and `go` change it, without a reload. */
export const place = signal(new URL(window.location.href));
export const path = computed(() => place.value.pathname);

export function go(to: string, options: { readonly replace?: boolean } = {}): void {
  const next = new URL(to, window.location.href);
  if (next.href === place.peek().href) return;
  if (options.replace === true) window.history.replaceState(null, '', next);
  else window.history.pushState(null, '', next);
  place.value = next;
}

/** A click that the browser should handle itself: another button, a new tab, another site. */
function isForeign(event: MouseEvent, link: HTMLAnchorElement): boolean {
  if (event.defaultPrevented || event.button !== 0) return true;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return true;
  if (link.target !== '' || link.hasAttribute('download')) return true;
  return link.origin !== window.location.origin || /^\/(api|v1)(\/|$)|\.(md|json)$/.test(link.pathname);
}

export function followLinks(): void {
  window.addEventListener('popstate', () => {
    place.value = new URL(window.location.href);
  });
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element)) return;
    const link = event.target.closest('a[href]');
    if (!(link instanceof HTMLAnchorElement) || isForeign(event, link)) return;
    event.preventDefault();
    go(link.href);
  });
}
