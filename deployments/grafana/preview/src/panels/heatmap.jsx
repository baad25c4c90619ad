import * as schemes from 'd3-scale-chromatic';

import { FieldType, formattedValueToString, getValueFormat } from '@grafana/data';

import { BOTTOM, TimeAxis } from '../axes.jsx';

const LEFT = 64;
const LEGEND = 26;
const SCALE = 160;
const TOP = 8;
const LINE = 14; // pixels that a label of a bucket takes

const colourOf = ({ scheme = 'Oranges', reverse, mode, fill = 'dark-orange', exponent = 0.5 } = {}, theme) => {
  const among = schemes[`interpolate${scheme}`] ?? schemes.interpolateOranges;
  if (mode === 'opacity') {
    const one = theme.visualization.getColorByName(fill);
    return (share) => ({ fill: one, fillOpacity: Math.max(0.1, share ** exponent) });
  }
  // Grafana turns a scheme round in the dark, so that little is near the background.
  const turned = Boolean(reverse) !== (theme.isDark && !/Turbo|Viridis|Magma|Inferno|Plasma|Cividis/.test(scheme));
  return (share) => ({ fill: among(turned ? 1 - share : share) });
};

// A bound in seconds, with the unit of the vertical axis; the last bucket has none.
function boundsOf(fields, unit, decimals) {
  const format = getValueFormat(unit ?? 'short');
  return fields.map(({ name }) => {
    const bound = name === '+Inf' ? Infinity : Number(name);
    return { bound, label: Number.isFinite(bound) ? formattedValueToString(format(bound, decimals)) : name };
  });
}

export function Heatmap({ panel, frames, options, range, width, height, theme, timeZone }) {
  const frame = frames.find((one) => one.fields.length > 1);
  const time = frame.fields.find((one) => one.type === FieldType.time);
  const all = frame.fields.filter((one) => one.type === FieldType.number);
  const full = all.map((one) => one.values.some((value) => value > 0));
  // Empty buckets beyond the outermost filled ones say nothing and take the room of those that do.
  const first = Math.max(0, full.indexOf(true) - 1);
  const fields = all.slice(first, Math.max(first + 1, full.lastIndexOf(true) + 2));
  const bounds = boundsOf(fields, options.yAxis?.unit ?? panel.fieldConfig?.defaults?.unit, options.yAxis?.decimals);
  const values = fields.flatMap((one) => one.values).filter((value) => value > (options.filterValues?.le ?? 0));
  const least = Math.min(...values);
  const most = Math.max(...values);
  const colour = colourOf(options.color, theme);
  const share = (value) => (most > least ? (value - least) / (most - least) : 1);
  const plot = height - BOTTOM - LEGEND - TOP;
  const tall = plot / fields.length;
  const step = time.config.interval || range.to - range.from;
  const x = (at) => LEFT + ((at - range.from) / (range.to - range.from)) * (width - LEFT);
  const wide = Math.max(1, (step / (range.to - range.from)) * (width - LEFT) - 1);
  const every = Math.ceil(LINE / tall);
  const count = (value) => formattedValueToString(getValueFormat(options.cellValues?.unit ?? 'short')(value, 2));
  return (
    <svg width={width} height={height} viewBox={`0 ${-TOP} ${width} ${height}`} style={{ display: 'block' }}>
      {bounds.map(({ label }, row) => row % every === 0 && (
        <text key={label} x={LEFT - 6} y={plot - (row + 1) * tall} dy={4}
          textAnchor="end" fontSize={12} fill={theme.colors.text.secondary}>{label}</text>
      ))}
      {fields.map((field, row) => field.values.map((value, i) => value > (options.filterValues?.le ?? 0)
        && time.values[i] >= range.from && (
        <rect key={`${field.name}-${time.values[i]}`} data-cell={value} x={Math.max(LEFT, x(time.values[i]) - wide)}
          y={plot - (row + 1) * tall} width={wide} height={Math.max(1, tall - 1)} {...colour(share(value))}>
          <title>{`${bounds[row].label}: ${count(value)}`}</title>
        </rect>
      )))}
      <TimeAxis range={range} left={LEFT} width={width - LEFT} top={plot} theme={theme} timeZone={timeZone} />
      {values.length > 0 && options.legend?.show !== false && (
        <g data-part="legend" transform={`translate(${LEFT} ${height - TOP - LEGEND + 8})`}>
          {Array.from({ length: SCALE / 4 }, (_, i) => (
            <rect key={i} x={i * 4} width={4} height={10} {...colour(i / (SCALE / 4 - 1))} />
          ))}
          <text x={-6} y={9} textAnchor="end" fontSize={11} fill={theme.colors.text.secondary}>{count(least)}</text>
          <text x={SCALE + 6} y={9} fontSize={11} fill={theme.colors.text.secondary}>{count(most)}</text>
        </g>
      )}
    </svg>
  );
}
