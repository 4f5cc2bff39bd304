import './bar-chart.css';
import { scaleTop, short, type DayBar } from '../state/usage';

const WIDTH = 720;
const HEIGHT = 180;
const LEFT = 44;
const BOTTOM = 22;
const TOP = 10;

const dayWords = (day: string): string => new Date(`${day}T00:00Z`).toLocaleDateString(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' });

interface Props {
  readonly bars: readonly DayBar[];
  /** What is counted, as a heading of the table says it. */
  readonly words: string;
}

function Scale({ top }: { readonly top: number }) {
  const plot = HEIGHT - BOTTOM - TOP;
  return (
    <>
      {[0, 0.5, 1].map((part) => {
        const y = TOP + plot * (1 - part);
        return (
          <g key={part}>
            <line class="bar-line" x1={LEFT} x2={WIDTH} y1={y} y2={y} />
            <text class="bar-words" x={LEFT - 8} y={y + 4} text-anchor="end">{short(top * part)}</text>
          </g>
        );
      })}
    </>
  );
}

/** A bar a day. The same numbers are in a table below it, for those who read, copy or listen. */
export function BarChart({ bars, words }: Props) {
  const top = Math.max(2, scaleTop(Math.max(...bars.map(({ value }) => value), 0)));
  const plot = HEIGHT - BOTTOM - TOP;
  const step = (WIDTH - LEFT) / Math.max(1, bars.length);
  const sum = bars.reduce((total, { value }) => total + value, 0);
  const labelled = new Set([0, Math.floor((bars.length - 1) / 2), bars.length - 1]);
  return (
    <figure class="bar-chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${words} a day: ${sum.toLocaleString()} in ${bars.length} days`}>
        <Scale top={top} />
        {bars.map(({ day, value }, index) => {
          const height = value === 0 ? 0 : Math.max(2, (plot * value) / top);
          return (
            <rect key={day} class="bar" x={LEFT + step * index + step * 0.12} width={step * 0.76} y={TOP + plot - height} height={height} rx={Math.min(3, step * 0.2)}>
              <title>{`${dayWords(day)}: ${value.toLocaleString()}`}</title>
            </rect>
          );
        })}
        {bars.map(({ day }, index) =>
          labelled.has(index) ? (
            <text key={day} class="bar-words" x={LEFT + step * (index + 0.5)} y={HEIGHT - 5} text-anchor={index === 0 ? 'start' : index === bars.length - 1 ? 'end' : 'middle'}>{dayWords(day)}</text>
          ) : null,
        )}
      </svg>
      <details>
        <summary>As a table</summary>
        <div class="table-box" tabindex={0} role="region" aria-label={`${words} a day`}>
          <table class="table">
            <thead><tr><th scope="col">Day (UTC)</th><th scope="col" class="is-number">{words}</th></tr></thead>
            <tbody>{[...bars].reverse().map(({ day, value }) => <tr key={day}><th scope="row">{day}</th><td class="is-number">{value.toLocaleString()}</td></tr>)}</tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
