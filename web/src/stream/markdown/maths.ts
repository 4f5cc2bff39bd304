import type { TokenizerAndRendererExtension, Tokens } from 'marked';

/**
 * Formulas: `$$…$$`, `\[…\]` and `\(…\)`; a single `$` is money, not maths. They are cut out before
 * Markdown reads the text (it would eat `\(` and turn `_` into emphasis), never inside code, and only
 * when closed. A formula holds no blank line and at most LONGEST characters, so one stray `$$`
 * cannot swallow the rest of a message.
 */
export interface MathsToken extends Tokens.Generic {
  readonly type: 'mathsBlock' | 'mathsInline';
  readonly raw: string;
  readonly tex: string;
  readonly isDisplay: boolean;
}

const LONGEST = 4000;
const BLOCK = /^ {0,3}(?:\$\$((?:(?!\$\$|\n[ \t]*\n)[\s\S])+?)\$\$|\\\[((?:(?!\\\]|\n[ \t]*\n)[\s\S])+?)\\\])[ \t]*(?:\n+|$)/;
const INLINE =
  /^(?:\$\$((?:(?!\$\$|\n[ \t]*\n)[\s\S])+?)\$\$|\\\[((?:(?!\\\]|\n[ \t]*\n)[\s\S])+?)\\\]|\\\(((?:(?!\\\)|\n[ \t]*\n)[\s\S])+?)\\\))/;

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/** The formula as text in a marked place; maths/render draws it there later. */
function html(token: Tokens.Generic): string {
  const { tex, isDisplay } = token as MathsToken;
  const kind = isDisplay ? 'block' : 'inline';
  return `<span class="maths maths-${kind}">${escape(tex)}</span>`;
}

export const mathsBlock: TokenizerAndRendererExtension = {
  name: 'mathsBlock',
  level: 'block',
  start: (src: string) => /\n {0,3}(?:\$\$|\\\[)/.exec(src)?.index,
  tokenizer(src: string): MathsToken | undefined {
    const match = BLOCK.exec(src.slice(0, LONGEST));
    if (match === null) return undefined;
    const tex = (match[1] ?? match[2] ?? '').trim();
    return tex === '' ? undefined : { type: 'mathsBlock', raw: match[0], tex, isDisplay: true };
  },
  renderer: (token) => `<p>${html(token)}</p>`,
};

export const mathsInline: TokenizerAndRendererExtension = {
  name: 'mathsInline',
  level: 'inline',
  start: (src: string) => /\$\$|\\\[|\\\(/.exec(src)?.index,
  tokenizer(src: string): MathsToken | undefined {
    const match = INLINE.exec(src.slice(0, LONGEST));
    if (match === null) return undefined;
    const inline = match[3];
    const tex = (match[1] ?? match[2] ?? inline ?? '').trim();
    if (tex === '') return undefined;
    return { type: 'mathsInline', raw: match[0], tex, isDisplay: inline === undefined };
  },
  renderer: html,
};
