// Time along the bottom and a legend, for the panels that are drawn here.
import { dateTimeFormat } from '@grafana/data';
import { VizLegend } from '@grafana/ui';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE,
  10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY];
const APART = 90; // pixels from one label to the next

export const BOTTOM = 20;

export function TimeAxis({ range, left, width, top, theme, timeZone }) {
  const span = range.to - range.from;
  const step = STEPS.find((one) => (one / span) * width >= APART) ?? STEPS[STEPS.length - 1];
  const format = step >= DAY ? 'MM-DD' : step >= MINUTE ? 'HH:mm' : 'HH:mm:ss';
  const ticks = [];
  for (let at = Math.ceil(range.from / step) * step; at <= range.to; at += step) {
    ticks.push(at);
  }
  return ticks.map((at) => {
    const text = dateTimeFormat(at, { timeZone, format });
    const half = text.length * 3.5;
    const x = Math.min(left + width - half, left + ((at - range.from) / span) * width); // none is cut at the edge
    return (
      <text key={at} x={x} y={top + 15} textAnchor="middle" fontSize={12} fill={theme.colors.text.secondary}>{text}</text>
    );
  });
}

export function Legend({ items, options, width }) {
  if (options?.showLegend === false || !items.length) {
    return null;
  }
  return (
    <div data-part="legend" style={{ width, maxHeight: 60, overflow: 'hidden' }}>
      <VizLegend items={items.map((one) => ({ yAxis: 1, ...one }))} displayMode="list" placement="bottom" />
    </div>
  );
}
