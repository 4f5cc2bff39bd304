/**
 * Closes what the last lines have opened and not yet closed, for the eye only: while `**bol` is on
 * its way it shows as bold, and half a link shows as its words. The finished text is never healed.
 */
export function heal(block: string): string {
  if (/^ {0,3}(?:```|~~~)/.test(block) || /^(?: {4}|\t)/.test(block)) return block;
  const cut = block.lastIndexOf('\n\n') + 1;
  const head = block.slice(0, cut);
  let tail = block.slice(cut);
  tail = tail.replace(/!?\[([^\][]*)\]\([^()\s]*$/, '$1').replace(/(^|[^\\])!?\[([^\][\n]*)$/, '$1$2');
  const marks = openMarks(tail);
  if (marks === '') return head + tail;
  const end = /\s*$/.exec(tail)?.[0] ?? '';
  const body = tail.slice(0, tail.length - end.length);
  // A mark with nothing after it yet is left out rather than closed: `****` would be a rule.
  if (body.endsWith(marks)) return head + body.slice(0, -marks.length) + end;
  return head + body + marks + end;
}

function openMarks(text: string): string {
  const ticks = text.match(/(?<!\\|`)`(?!`)/g)?.length ?? 0;
  if (ticks % 2 === 1) return '`';
  const bare = text.replace(/`[^`]*`/g, '');
  if ((bare.match(/(?<!\\)\*\*/g)?.length ?? 0) % 2 === 1) return '**';
  return (bare.match(/(?<!\\)~~/g)?.length ?? 0) % 2 === 1 ? '~~' : '';
}
