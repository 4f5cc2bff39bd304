import './manual.css';
import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call } from '../api/client';
import { toTrouble } from '../api/errors';
import type { Trouble } from '../api/types';
import { Markdown } from '../components/markdown';
import { Page } from '../components/shell';
import { TroubleNote } from '../components/trouble';
import { go, path } from '../router';

interface ManualPage {
  readonly name: string;
  readonly title: string;
}

const FIRST = 'first-steps';
const pages = signal<readonly ManualPage[]>([]);

/** Links between the pages name files; here they are addresses of this hub. */
function withAddresses(text: string): string {
  return text.replaceAll(/\]\((?:\.\/)?([\w-]+)\.md(#[\w-]*)?\)/g, `](${window.location.origin}/manual/$1)`);
}

function stayHere(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest('a[href]') : null;
  if (!(link instanceof HTMLAnchorElement) || link.origin !== window.location.origin) return;
  event.preventDefault();
  go(link.pathname);
}

async function readPage(name: string): Promise<string> {
  const response = await fetch(`/manual/${encodeURIComponent(name)}.md`);
  const type = response.headers.get('content-type') ?? '';
  if (!response.ok || !type.includes('markdown')) throw new Error(`the manual has no page ${name}`);
  return withAddresses(await response.text());
}

/** The manual that the hub itself serves: it is there without any other network. */
export function ManualPageView() {
  const name = path.value.split('/')[2] ?? FIRST;
  const text = useSignal('');
  const trouble = useSignal<Trouble | null>(null);
  useEffect(() => {
    call<{ items: readonly ManualPage[] }>('GET', '/manual/pages.json').then(
      ({ items }) => (pages.value = items),
      (error: unknown) => (trouble.value = toTrouble(error)),
    );
  }, [trouble]);
  useEffect(() => {
    let isCurrent = true;
    readPage(name).then(
      (fresh) => {
        if (isCurrent) text.value = fresh.replace(/^# .*\n+/, '');
      },
      (error: unknown) => {
        if (isCurrent) trouble.value = toTrouble(error);
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [name, text, trouble]);
  const title = pages.value.find((page) => page.name === name)?.title ?? 'Manual';
  return (
    <Page title={title}>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="manual">
        <nav aria-label="Manual">
          <ul>
            {pages.value.map((page) => (
              <li key={page.name}>
                <a href={`/manual/${page.name}`} aria-current={page.name === name ? 'page' : undefined}>{page.title}</a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="manual-text" onClick={stayHere}><Markdown text={text} isDone /></div>
      </div>
    </Page>
  );
}
