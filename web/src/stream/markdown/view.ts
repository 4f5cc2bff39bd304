import { BlockList, type Block } from './blocks';
import { colourCode } from './colour';
import { drawFormulas } from './formulas';
import { heal } from './heal';
import { blockToHtml, plainHtml, type Links } from './html';
import { isUnwieldy } from './limits';
import { morph } from './morph';
import { sanitise } from './sanitise';

interface Drawn {
  readonly raw: string;
  readonly isFinal: boolean;
  readonly html: string;
  readonly element: HTMLElement;
}

/**
 * Blocks stand in sections of so many. The browser watches, lays out and paints a section as one: with
 * a section for every block, a long answer would cost more with each of its paragraphs.
 */
const SECTION_BLOCKS = 16;

const CLOSED_FENCE = /^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:[\s\S]*\n)? {0,3}\1[`~]*\s*$/;

/**
 * Markdown in an element, kept up to date as the text grows. Each top-level block has its own
 * element; a block that did not change is not touched, so finished text costs nothing.
 */
export class MarkdownView {
  readonly #root: HTMLElement;
  readonly #blocks = new BlockList();
  #drawn: Drawn[] = [];
  #links: Links = {};
  #source = '';

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  update(source: string, isDone: boolean): void {
    if (!source.startsWith(this.#source)) this.#reset();
    this.#source = source;
    const blocks = this.#blocks.update(source, isDone);
    blocks.forEach((block, index) => this.#draw(block, index));
    for (const { element } of this.#drawn.splice(blocks.length)) removeBlock(element);
  }

  #reset(): void {
    this.#blocks.reset();
    this.#drawn = [];
    this.#links = {};
    this.#root.replaceChildren();
  }

  #draw(block: Block, index: number): void {
    const drawn = this.#drawn[index];
    if (drawn?.raw === block.raw && drawn.isFinal === block.isFinal) return;
    const element = drawn?.element ?? this.#addElement(index);
    // A block that is not final may not leave its link definitions behind.
    const links = block.isFinal ? this.#links : { ...this.#links };
    const html = isUnwieldy(block.raw) ? plainHtml(block.raw) : blockToHtml(block.isFinal ? block.raw : heal(block.raw), links);
    if (html !== drawn?.html) morph(element, sanitise(html));
    this.#drawn[index] = { raw: block.raw, isFinal: block.isFinal, html, element };
    if (block.isFinal || CLOSED_FENCE.test(block.raw)) finish(element);
  }

  #addElement(index: number): HTMLElement {
    const section = index % SECTION_BLOCKS === 0 ? addDiv(this.#root, 'md-section') : this.#root.lastElementChild;
    return addDiv(section ?? this.#root, 'md-block');
  }
}

function addDiv(parent: Element, name: string): HTMLElement {
  const element = document.createElement('div');
  element.className = name;
  parent.append(element);
  return element;
}

/** The blocks that go are the last ones; a section goes with the last of its own. */
function removeBlock(block: HTMLElement): void {
  const section = block.parentElement;
  block.remove();
  if (section?.childElementCount === 0) section.remove();
}

/** Heavy parts come after the words: colours and formulas appear when their code is loaded. */
function finish(element: HTMLElement): void {
  const silent = (): void => {
    // Without its colours or with its formula as text the answer is still whole.
  };
  colourCode(element).catch(silent);
  drawFormulas(element).catch(silent);
}
