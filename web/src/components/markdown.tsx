import './markdown.css';
import type { ReadonlySignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { MarkdownView } from '../stream/markdown/view';
import { copyText } from './copy';
import { Painter } from './painter';

interface MarkdownProps {
  readonly text: ReadonlySignal<string>;
  readonly isDone: boolean;
}

/** Markdown that follows its text outside of Preact: a token never renders a component. */
export function Markdown({ text, isDone }: MarkdownProps) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  // Before the first paint: a message is never seen without its words, so nothing below it jumps.
  useLayoutEffect(() => {
    const element = root.current;
    if (element === null) return undefined;
    view.current ??= new MarkdownView(element);
    const mine = view.current;
    if (isDone) return text.subscribe((now) => mine.update(now, true));
    mine.update(text.peek(), false);
    const painter = new Painter(() => mine.update(text.peek(), false));
    const unsubscribe = text.subscribe(() => painter.ask());
    return () => {
      unsubscribe();
      painter.stop();
    };
  }, [text, isDone]);
  return <div class="md" ref={root} onClick={copyFromFigure} />;
}

/** The copy buttons of code blocks are plain nodes: one listener on the text serves them all. */
function copyFromFigure(event: MouseEvent): void {
  if (!(event.target instanceof Element)) return;
  const button = event.target.closest('button.code-copy');
  const code = button?.closest('figure')?.querySelector('pre')?.textContent;
  if (!button || code === undefined) return;
  void copyText(code).then((isDone) => {
    button.textContent = isDone ? 'Copied' : 'Not copied';
    setTimeout(() => (button.textContent = 'Copy'), 1600);
  });
}
