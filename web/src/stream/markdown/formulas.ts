import { later } from './later';

/** Draws every formula under `root` in place. Loads KaTeX on the first formula, never before. */
export async function drawFormulas(root: Element): Promise<void> {
  const places = [...root.querySelectorAll('.maths:not(.is-drawn)')];
  if (places.length === 0) return;
  const [{ default: katex }] = await Promise.all([import('katex'), import('katex/dist/katex.min.css')]);
  for (const place of places) {
    await later();
    if (!place.isConnected || !(place instanceof HTMLElement) || place.classList.contains('is-drawn')) continue;
    const tex = place.textContent;
    place.classList.add('is-drawn');
    // render() sets styles through the DOM, which the Content-Security-Policy allows; HTML text it would not.
    try {
      katex.render(tex, place, {
        displayMode: place.classList.contains('maths-block'),
        // KaTeX's own way to show an error writes a style into the page.
        throwOnError: true,
        trust: false,
        strict: 'ignore',
        maxExpand: 500,
        maxSize: 30,
      });
    } catch {
      place.textContent = tex;
      place.classList.add('is-wrong');
    }
  }
}
