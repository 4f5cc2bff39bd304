import './log.css';
import { useSignal, type Signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { sessions as api } from '../api/hub';
import type { LogLine, Trouble } from '../api/types';
import { EventSubscription, type SourceState } from '../stream/source';
import { clockTime } from '../words';
import { CopyButton } from './copy';
import { EndKeeper } from './end-keeper';
import { TroubleNote } from './trouble';

/** Older lines are dropped from the page, not from the hub. */
const KEPT = 2000;

function readLines(data: string): readonly LogLine[] {
  try {
    return [JSON.parse(data) as LogLine];
  } catch {
    return [];
  }
}

interface Log {
  readonly lines: Signal<readonly LogLine[]>;
  readonly state: Signal<SourceState>;
  readonly trouble: Signal<Trouble | null>;
}

/** Follows a session's log. Lines that come together are put on the page together. */
function useLog(sessionId: string): Log {
  const lines = useSignal<readonly LogLine[]>([]);
  const state = useSignal<SourceState>('connecting');
  const trouble = useSignal<Trouble | null>(null);
  useEffect(() => {
    let waiting: LogLine[] = [];
    let frame = 0;
    const flush = (): void => {
      frame = 0;
      lines.value = [...lines.peek(), ...waiting].slice(-KEPT);
      waiting = [];
    };
    const subscription = new EventSubscription(api.logPath(sessionId), {
      onState: (now) => (state.value = now),
      onRefused: (error) => (trouble.value = error),
      onEvent: (event) => {
        waiting.push(...readLines(event.data));
        if (frame === 0) frame = requestAnimationFrame(flush);
        return event.event !== 'end';
      },
    });
    return () => {
      subscription.close();
      cancelAnimationFrame(frame);
    };
  }, [sessionId, lines, state, trouble]);
  return { lines, state, trouble };
}

interface LogViewProps {
  readonly sessionId: string;
  readonly isOver: boolean;
}

export function LogView({ sessionId, isOver }: LogViewProps) {
  const { lines, state, trouble } = useLog(sessionId);
  const box = useRef<HTMLDivElement>(null);
  const keeper = useRef<EndKeeper | null>(null);
  useLayoutEffect(() => {
    if (box.current === null) return undefined;
    const element = box.current;
    const mine = new EndKeeper(element, () => undefined);
    keeper.current = mine;
    element.addEventListener('scroll', mine.onScroll, { passive: true });
    element.addEventListener('wheel', mine.onWheel, { passive: true });
    return () => {
      element.removeEventListener('scroll', mine.onScroll);
      element.removeEventListener('wheel', mine.onWheel);
    };
  }, []);
  useLayoutEffect(() => keeper.current?.grow(), [lines.value]);
  const empty = isOver ? 'It left no log.' : 'Nothing logged yet.';
  return (
    <section class="section" aria-labelledby="log">
      <div class="log-head">
        <h2 id="log">Log</h2>
        {state.value === 'retrying' && <span class="quiet">reconnecting</span>}
        <CopyButton isIcon label="Copy the log" text={() => lines.peek().map((line) => line.text).join('\n')} />
      </div>
      {trouble.value !== null && <TroubleNote trouble={trouble.value} />}
      <div class="log" ref={box} role="log" aria-live="off" aria-label="Log of the session" tabindex={0}>
        {lines.value.length === 0 && <p class="log-empty">{empty}</p>}
        {lines.value.map((line, index) => (
          <div key={index} class={`log-line is-${line.source}`}>
            <span class="log-time">{clockTime(line.t)}</span>
            <span class="log-text">{line.text}</span>
          </div>
        ))}
      </div>
    </section>
  );
}
