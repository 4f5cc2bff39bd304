import { describe, expect, it } from 'vitest';
import { isUnwieldy, tame } from './limits';
import { MarkdownView } from './view';

function drawn(text: string): HTMLElement {
  const root = document.createElement('div');
  new MarkdownView(root).update(text, true);
  return root;
}

describe('what is too much', () => {
  it.each(['>', '> ', '- ', '1. ', '> - '])('nesting without end is drawn up to a depth: %j', (mark) => {
    const root = drawn(`${mark.repeat(3000)}deep\n\nand **after**`);
    expect(root.textContent).toContain('deep');
    expect(root.querySelector('strong')?.textContent).toBe('after');
  });

  it('keeps every length, and leaves rules, tables and shallow nesting alone', () => {
    expect(tame('>'.repeat(500)).length).toBe(500);
    for (const text of ['-'.repeat(300), `|${'-'.repeat(200)}|`, '> '.repeat(20) + 'x']) expect(tame(text)).toBe(text);
  });

  it.each(['**a** ', '[', '_a', '\\( ', '[a](b ', 'www.a ', '<a ', 'x'])('a line of 100 KB is text at once: %j', (piece) => {
    const text = piece.repeat(100_000 / piece.length);
    const began = performance.now();
    const root = drawn(`${text}\n\n**after**`);
    // Reading it as Markdown would take minutes; this is a machine that is busy with other things.
    expect(performance.now() - began).toBeLessThan(5000);
    expect(root.textContent.startsWith(text.slice(0, 6000))).toBe(true);
    expect(root.querySelector('strong')?.textContent).toBe('after');
  });

  it('lets long lists, tables and code be what they are', () => {
    const list = '- an item of **some** words\n'.repeat(1000);
    const table = `| a | b |\n|---|---|\n${'| cell | cell |\n'.repeat(1000)}`;
    const code = `\`\`\`\n${'x'.repeat(50_000)}\n\`\`\`\n`;
    expect([list, table, code].map(isUnwieldy)).toEqual([false, false, false]);
  });
});
