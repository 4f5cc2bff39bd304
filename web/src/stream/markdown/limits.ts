/**
 * What is too much for a Markdown reader: nesting that would overflow its stack, and stretches of text
 * over which its search for emphasis and links takes quadratic time. Both are decided line by line or
 * block by block, so that a text that streams ends as it would have looked at once. Pure.
 */
const DEEPEST = 32;
const LONGEST_STRETCH = 6000;

const TOO_DEEP = new RegExp(`^((?:[ \\t]*(?:>|(?:[-*+]|\\d{1,9}[.)])[ \\t])){${DEEPEST}})([ \\t>*+\\-\\d.)]+)`, 'gm');
const CODE = /^ {0,3}(?:```|~~~)/;
const NEW_STRETCH = /\n(?=[ \t]*(?:[-*+|>]|\d{1,9}[.)]|\n|$))/;

/** Marks of quotes and lists beyond the thirty-second on a line become dots; every length stays as it was. */
export function tame(source: string): string {
  return source.replace(TOO_DEEP, (_, kept: string, rest: string) => kept + '·'.repeat(rest.length));
}

/** Whether a block is shown as the text it is: one of its paragraphs, items or cells has no end. */
export function isUnwieldy(block: string): boolean {
  if (block.length <= LONGEST_STRETCH || CODE.test(block)) return false;
  return block.split(NEW_STRETCH).some((stretch) => stretch.length > LONGEST_STRETCH);
}
