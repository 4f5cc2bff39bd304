import { describe, expect, it } from 'vitest';
import { BlockList } from './blocks';
import { CORPUS } from './corpus';
import { heal } from './heal';
import { blockToHtml, isSafeAddress } from './html';
import { morph } from './morph';
import { sanitise } from './sanitise';
import { MarkdownView } from './view';

function drawn(pieces: readonly string[]): HTMLElement {
  const root = document.createElement('div');
  const view = new MarkdownView(root);
  let text = '';
  for (const piece of pieces) {
    text += piece;
    view.update(text, false);
  }
  view.update(text, true);
  return root;
}

/** The tree before colours and formulas: those load later and are the same for the same tree. */
const treeOf = (pieces: readonly string[]): string => drawn(pieces).innerHTML;

function cut(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size));
}

const ALLOWED_SCHEMES = /^(https?:\/\/|mailto:)/;

describe('the corpus', () => {
  for (const [name, text] of Object.entries(CORPUS)) {
    it(`${name}: streamed in any pieces, the tree is the one drawn at once`, () => {
      const whole = treeOf([text]);
      // A long text is read again and again while it is one block: small pieces of it only cost time.
      const sizes = [1, 2, 3, 7, 64, 501].filter((size) => text.length / size < 800);
      for (const size of sizes) expect(treeOf(cut(text, size)), `pieces of ${size}`).toBe(whole);
    });

    it(`${name}: nothing in it can run or call home`, () => {
      const root = drawn(cut(text, text.length > 1000 ? 97 : 3));
      expect(root.querySelector('script, iframe, object, embed, style, svg, math, form, input, link, base, meta')).toBeNull();
      for (const element of root.querySelectorAll('*')) {
        for (const { name: attribute, value } of element.attributes) {
          expect(attribute).not.toMatch(/^on|^style$|^srcset$|^id$|^name$/);
          if (attribute === 'href') expect(value).toMatch(ALLOWED_SCHEMES);
          if (attribute === 'src') expect(value).toMatch(/^data:image\/(png|jpeg|gif|webp);base64,/);
        }
      }
    });
  }

  it('is whole: no word of an answer gets lost with the HTML around it', () => {
    const text = drawn([CORPUS['html'] ?? '']).textContent;
    for (const word of ['<script>', 'onerror', 'vector<int>', '<T>', 'x < y > z']) expect(text).toContain(word);
  });

  it('final blocks at every moment are the first blocks of the end', () => {
    for (const [name, text] of Object.entries(CORPUS)) {
      const end = new BlockList().update(text, true).map(({ raw }) => raw);
      const growing = new BlockList();
      for (let size = 1; size <= text.length; size += 1) {
        const finals = growing.update(text.slice(0, size), false).filter(({ isFinal }) => isFinal);
        expect(end.slice(0, finals.length), `${name} at ${size}`).toEqual(finals.map(({ raw }) => raw));
      }
    }
  });
});

describe('MarkdownView', () => {
  it('leaves the nodes of finished blocks alone', () => {
    const root = document.createElement('div');
    const view = new MarkdownView(root);
    view.update('First.\n\nSecond', false);
    const first = root.querySelector('p');
    view.update('First.\n\nSecond goes on and on', false);
    view.update('First.\n\nSecond goes on and on.\n\nThird', true);
    expect(root.querySelector('p')).toBe(first);
    expect(root.querySelectorAll('.md-block')).toHaveLength(3);
  });

  it('puts blocks into sections, which come and go with them', () => {
    const root = document.createElement('div');
    const view = new MarkdownView(root);
    const text = Array.from({ length: 40 }, (_, index) => `Paragraph ${index}.`).join('\n\n');
    view.update(text, false);
    expect([...root.children].map((section) => section.childElementCount)).toEqual([16, 16, 8]);
    view.update('Paragraph 0.', true);
    expect([...root.children].map((section) => section.childElementCount)).toEqual([1]);
    view.update('Paragraph 0.\n\nNext.', true);
    expect(root.textContent.split(/\n/).filter(Boolean)).toEqual(['Paragraph 0.', 'Next.']);
  });

  it('keeps the text node of a growing code block', () => {
    const root = document.createElement('div');
    const view = new MarkdownView(root);
    view.update('```\nlet a', false);
    const node = root.querySelector('code')?.firstChild;
    view.update('```\nlet a = 1;\nlet b', false);
    expect(root.querySelector('code')?.firstChild).toBe(node);
  });

  it('starts anew when the text is another one', () => {
    const root = document.createElement('div');
    const view = new MarkdownView(root);
    view.update('Old text.\n\nMore', false);
    view.update('New', true);
    expect(root.textContent.trim()).toBe('New');
  });
});

describe('blockToHtml', () => {
  it('marks formulas and leaves what is inside them alone', () => {
    const html = blockToHtml('\\(a_b*c\\) and $$x<y$$', {});
    expect(html).toContain('<span class="maths maths-inline">a_b*c</span>');
    expect(html).toContain('<span class="maths maths-block">x&lt;y</span>');
  });

  it('takes single dollars for money', () => {
    expect(blockToHtml('$5 and $6', {})).not.toContain('maths');
  });

  it('turns table alignment into classes and a remote picture into a link', () => {
    expect(blockToHtml('| a |\n| --: |\n| 1 |', {})).toContain('class="to-right"');
    const picture = blockToHtml('![cat](https://x.example/c.png)', {});
    expect(picture).not.toContain('<img');
    expect(picture).toContain('class="picture"');
  });
});

describe('isSafeAddress', () => {
  it('takes http, https and mailto only', () => {
    for (const good of ['https://a.b', 'HTTP://a.b/c', 'mailto:a@b.c']) expect(isSafeAddress(good)).toBe(true);
    for (const bad of ['javascript:x', '/api', '//a.b', 'data:x', 'java\nscript:x', '', 'https:///', 'file:///x']) {
      expect(isSafeAddress(bad)).toBe(false);
    }
  });
});

describe('heal', () => {
  it.each([
    ['a **bol', 'a **bol**'],
    ['a **', 'a '],
    ['a `cod', 'a `cod`'],
    ['see [the pa', 'see the pa'],
    ['see [the page](https://exa', 'see the page'],
    ['done **b** `c`', 'done **b** `c`'],
    ['```js\nlet a = `x', '```js\nlet a = `x'],
  ])('%j shows as %j', (text, shown) => expect(heal(text)).toBe(shown));
});

describe('sanitise and morph', () => {
  it('lets through nothing that is not listed', () => {
    const root = document.createElement('div');
    root.append(sanitise('<p onclick="x()" id="a" style="color:red">t<script>1</script><img src="https://x.y/z.png"></p>'));
    expect(root.innerHTML).toBe('<p>t</p>');
  });

  it('makes one tree equal to another', () => {
    const now = document.createElement('div');
    const next = document.createElement('div');
    now.innerHTML = '<p class="a">one <b>two</b></p><ul><li>x</li></ul>';
    next.innerHTML = '<p>one <b>two three</b> four</p><ol><li>x</li></ol><hr>';
    const wanted = next.innerHTML;
    const bold = now.querySelector('b');
    morph(now, next);
    expect(now.innerHTML).toBe(wanted);
    expect(now.querySelector('b')).toBe(bold);
  });
});
