const MAX_HEIGHT_PX = 260;
/** So many characters surely fill it: measuring them would only hold up the next key. */
const SURELY_FULL = 20_000;

/** Grows with its text up to a limit; through the DOM, since styles in HTML are forbidden here. */
export function fit(area: HTMLTextAreaElement): void {
  if (area.value.length > SURELY_FULL) {
    area.style.height = `${MAX_HEIGHT_PX}px`;
    return;
  }
  area.style.height = 'auto';
  area.style.height = `${Math.min(area.scrollHeight, MAX_HEIGHT_PX)}px`;
}
