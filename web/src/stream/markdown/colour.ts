import { later } from './later';
import { sanitise } from './sanitise';

/** Longer code than this is left plain: colouring it would hold up the page. */
const LONGEST = 60_000;

/** Colours every code block under `root` that names a language. Loads the colourer on first use. */
export async function colourCode(root: Element): Promise<void> {
  const blocks = [...root.querySelectorAll('pre > code[class^="language-"]:not(.is-coloured, .is-plain)')];
  if (blocks.length === 0) return;
  const { default: hljs } = await import('highlight.js/lib/common');
  for (const block of blocks) {
    await later();
    if (block.matches('.is-coloured, .is-plain') || !block.isConnected) continue;
    const language = /language-([^\s]+)/.exec(block.className)?.[1] ?? '';
    const text = block.textContent;
    const isPlain = text.length > LONGEST || hljs.getLanguage(language) === undefined;
    block.classList.add(isPlain ? 'is-plain' : 'is-coloured');
    if (isPlain) continue;
    block.replaceChildren(sanitise(hljs.highlight(text, { language, ignoreIllegals: true }).value));
  }
}
