/** A keyboard that covers less than this is none: browsers' own bars come and go too. */
const LEAST_PX = 100;

/** The height that is left above a keyboard on the screen; null when there is none. */
export function heightAbove(windowPx: number, visiblePx: number): number | null {
  return windowPx - visiblePx >= LEAST_PX ? Math.round(visiblePx) : null;
}

/**
 * Safari on a phone lays its keyboard over the page without telling the layout: the page is made as high
 * as what can be seen, so that the composer stands above the keyboard and the route line stays in view.
 */
export function startViewport(): void {
  const view = window.visualViewport;
  if (view === null) return;
  const root = document.documentElement;
  const fit = (): void => {
    // Somebody who zooms in sees less of the page too, and wants no other page for it.
    const height = view.scale > 1.01 ? null : heightAbove(window.innerHeight, view.height);
    if (height === null) root.style.removeProperty('--view-height');
    else root.style.setProperty('--view-height', `${height}px`);
    if (height !== null) window.scrollTo(0, 0);
  };
  view.addEventListener('resize', fit);
  view.addEventListener('scroll', fit);
}
