import { expect, it, vi } from 'vitest';
import { BlockList } from './blocks';
import type * as Html from './html';

const read = vi.hoisted(() => ({ chars: 0 }));

vi.mock('./html', async (original) => {
  const html = await original<typeof Html>();
  return {
    ...html,
    lexBlocks: (source: string) => {
      read.chars += source.length;
      return html.lexBlocks(source);
    },
  };
});

it('reads only what comes after the last final block, however long the text is', () => {
  const text = 'A sentence with **bold** words.\n\n'.repeat(3000);
  const blocks = new BlockList();
  for (let size = 0; size < text.length; size += 50) blocks.update(text.slice(0, size), false);
  expect(read.chars).toBeLessThan(4 * text.length);
});

it('begins anew when the text became shorter', () => {
  const blocks = new BlockList();
  blocks.update('a\n\nb\n\nc', false);
  expect(blocks.update('x', false)).toEqual([{ raw: 'x', isFinal: false }]);
});
