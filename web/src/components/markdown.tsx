import './markdown.css';
import type { ReadonlySignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { MarkdownView } from '../stream/markdown/view';
import { copyText } from './copy';

/** A repaint may take this share of the time; a costly text is painted less often. */
const SHARE = 0.1;
/** Growing text looks the same 30 times a second as 60 times, and costs half. */
const SHORTEST_MS = 30;

/** Calls `paint` at most once per frame, and less often when painting is slow. */
class Painter {
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #notBefore = 0;
  readonly #paint: () => void;

  constructor(paint: () => void) {
    this.#paint = paint;
  }

  ask(): void {
    if (this.#frame !== 0 || this.#timer !== undefined) return;
    const wait = this.#notBefore - performance.now();
    if (wait > 16) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#request();
      }, wait);
    } else this.#request();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#timer = undefined;
  }

  #request(): void {
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const start = performance.now();
      this.#paint();
      const cost = performance.now() - start;
      this.#notBefore = start + Math.max(SHORTEST_MS, cost / SHARE);
    });
  }
}

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
