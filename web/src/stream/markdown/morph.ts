/**
 * Makes `now` look like `next` with the fewest changes: nodes that are the same stay, so a
 * selection, a scroll position or a focused button in a growing block is not lost.
 */
export function morph(now: Node, next: Node): void {
  const old = [...now.childNodes];
  const wanted = [...next.childNodes];
  wanted.forEach((node, index) => {
    const mine = old[index];
    if (mine === undefined) now.appendChild(node);
    else if (mine.nodeName !== node.nodeName) now.replaceChild(node, mine);
    else if (mine instanceof CharacterData) copyText(mine, node.nodeValue ?? '');
    else if (mine instanceof Element && node instanceof Element) {
      copyAttributes(mine, node);
      morph(mine, node);
    }
  });
  for (const extra of old.slice(wanted.length)) extra.remove();
}

/** Appends where the text only grew: a selection inside it survives. */
function copyText(mine: CharacterData, text: string): void {
  if (mine.data === text) return;
  if (text.startsWith(mine.data)) mine.appendData(text.slice(mine.data.length));
  else mine.data = text;
}

function copyAttributes(mine: Element, next: Element): void {
  for (const { name } of [...mine.attributes]) if (!next.hasAttribute(name)) mine.removeAttribute(name);
  for (const { name, value } of next.attributes) if (mine.getAttribute(name) !== value) mine.setAttribute(name, value);
}
