import { Marked, type Tokens, type TokensList } from 'marked';
import { mathsBlock, mathsInline } from './maths';

/**
 * Markdown to HTML text, without judgement on safety: sanitise.ts has the last word.
 * HTML in an answer is shown as the text it is (nothing that a model wrote vanishes), except for a
 * handful of harmless tags without attributes.
 */
const HARMLESS = /^<\/?(?:br|sub|sup|kbd|b|i|em|strong|u|s|mark|small|details|summary)\s*\/?>$/i;
const TAG = /<\/?[a-z][^<>]*>/gi;

export function escapeHtml(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}

function showTags(text: string): string {
  let out = '';
  let from = 0;
  for (const match of text.matchAll(TAG)) {
    out += escapeHtml(text.slice(from, match.index));
    out += HARMLESS.test(match[0]) ? match[0] : escapeHtml(match[0]);
    from = match.index + match[0].length;
  }
  return out + escapeHtml(text.slice(from));
}

/** Only addresses that name their own place: nothing relative, nothing that runs. */
export function isSafeAddress(href: string): boolean {
  return /^(?:https?:\/\/[^\s/]|mailto:[^\s])/i.test(href.trim());
}

function codeFigure(token: Tokens.Code): string {
  const language = /^[\w+#.-]{1,24}/.exec(token.lang ?? '')?.[0].toLowerCase() ?? '';
  const label = language === '' ? 'text' : language;
  const mark = language === '' ? '' : ` class="language-${escapeHtml(language)}"`;
  const text = token.text === '' ? '' : `${token.text}\n`;
  return (
    `<figure class="code"><figcaption><span class="code-language">${escapeHtml(label)}</span>` +
    `<button type="button" class="code-copy">Copy</button></figcaption>` +
    `<pre tabindex="0"><code${mark}>${escapeHtml(text)}</code></pre></figure>`
  );
}

const marked = new Marked({ gfm: true, breaks: false, async: false });
marked.use({
  extensions: [mathsBlock, mathsInline],
  renderer: {
    html: ({ text }) => showTags(text),
    code: codeFigure,
    codespan: ({ text }) => `<code>${escapeHtml(text)}</code>`,
    link(token) {
      const inner = this.parser.parseInline(token.tokens);
      if (!isSafeAddress(token.href)) return inner;
      return `<a href="${escapeHtml(token.href)}" target="_blank" rel="noopener noreferrer nofollow">${inner}</a>`;
    },
    // A remote picture would tell its server that the answer was read: it stays a link.
    image(token) {
      const alt = escapeHtml(token.text === '' ? 'picture' : token.text);
      if (/^data:image\/(?:png|jpeg|gif|webp);base64,[\w+/=]+$/.test(token.href)) {
        return `<img src="${token.href}" alt="${alt}">`;
      }
      if (!isSafeAddress(token.href)) return alt;
      const address = escapeHtml(token.href);
      const host = /^https?:\/\/([^/?#]+)/i.exec(token.href)?.[1] ?? '';
      return `<a class="picture" href="${address}" target="_blank" rel="noopener noreferrer nofollow">${alt} (${escapeHtml(host)})</a>`;
    },
    checkbox: ({ checked }) => `<span class="task">${checked ? '☑' : '☐'}</span> `,
    table(token) {
      const row = (cells: readonly Tokens.TableCell[]): string => {
        const html = cells.map((cell) => {
          const tag = cell.header ? 'th' : 'td';
          const mark = cell.align === null ? '' : ` class="to-${cell.align}"`;
          return `<${tag}${mark}>${this.parser.parseInline(cell.tokens)}</${tag}>`;
        });
        return `<tr>${html.join('')}</tr>`;
      };
      const body = token.rows.map(row).join('');
      return `<div class="table" tabindex="0"><table><thead>${row(token.header)}</thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

/** A block that is shown as the text it is. */
export function plainHtml(raw: string): string {
  return `<p class="plain">${escapeHtml(raw.trimEnd())}</p>`;
}

export type Links = TokensList['links'];

/** Cuts Markdown into its top-level blocks; inline text is not looked at, so this is cheap. */
export function lexBlocks(source: string): readonly { readonly type: string; readonly raw: string }[] {
  const lexer = new marked.Lexer(marked.defaults);
  return lexer.blockTokens(source, []);
}

/** One block to HTML. `links` holds the definitions seen so far and takes up new ones. */
export function blockToHtml(raw: string, links: Links): string {
  const lexer = new marked.Lexer(marked.defaults);
  lexer.tokens.links = links;
  return marked.parser(lexer.lex(raw));
}
