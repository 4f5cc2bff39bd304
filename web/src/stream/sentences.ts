/**
 * Cuts growing text into whole sentences for the live region, so that a screen reader hears
 * sentences and not tokens. `push` takes the text so far; `rest` answers what is left at the end.
 */
export class SentenceFeed {
  #read = 0;
  #text = '';

  push(text: string): string {
    this.#text = text;
    const fresh = text.slice(this.#read);
    const ends = [...fresh.matchAll(/[.!?…。！？](?=\s)|\n{2,}/g)];
    const last = ends.at(-1);
    if (last === undefined) return '';
    const cut = last.index + last[0].length;
    this.#read += cut;
    return plain(fresh.slice(0, cut));
  }

  rest(): string {
    const fresh = this.#text.slice(this.#read);
    this.#read = this.#text.length;
    return plain(fresh);
  }
}

/** Markdown's marks are noise when read aloud; code is named, not spelt. */
function plain(markdown: string): string {
  return markdown
    .replace(/```[\s\S]*?(```|$)/g, ' (code) ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^#{1,6}\s+|^>\s?|[*_`|]+/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}
