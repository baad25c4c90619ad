import { FieldType, formattedValueToString, getFieldDisplayName } from '@grafana/data';

import { BOTTOM, Legend, TimeAxis } from '../axes.jsx';

const LEGEND = 28;
const LONGEST = 0.3; // of the width, for the names

// Spans of the same value; a gap of more than two steps ends one.
function spansOf(frame, field, to) {
  const time = frame.fields.find((one) => one.type === FieldType.time);
  const step = time.config.interval ?? 0;
  const spans = [];
  time.values.forEach((at, i) => {
    const value = field.values[i];
    const last = spans[spans.length - 1];
    if (last && last.value === value && at - last.end <= 2 * step) {
      last.end = at;
    } else if (value !== null && !Number.isNaN(value)) {
      if (last && at - last.end <= 2 * step) {
        last.end = at;
      }
      spans.push({ value, start: at, end: at });
    }
  });
  for (const span of spans) {
    span.end = Math.min(Math.max(span.end, span.start + step), to);
  }
  return spans;
}

export function StateTimeline({ frames, options, range, width, height, theme, timeZone }) {
  const rows = frames.flatMap((frame) => frame.fields.filter((one) => one.type !== FieldType.time)
    .map((field) => ({ name: getFieldDisplayName(field, frame, frames), field, spans: spansOf(frame, field, range.to) })));
  const left = Math.min(width * LONGEST, Math.max(...rows.map(({ name }) => name.length)) * 7 + 8);
  const shown = new Map();
  rows.forEach(({ field, spans }) => spans.forEach(({ value }) => {
    const made = field.display(value);
    shown.set(formattedValueToString(made), made.color);
  }));
  const plot = height - BOTTOM - (options.legend?.showLegend === false ? 0 : LEGEND);
  const tall = plot / rows.length;
  const thick = tall * (options.rowHeight ?? 0.9);
  const x = (at) => left + ((Math.max(at, range.from) - range.from) / (range.to - range.from)) * (width - left);
  return (
    <>
      <svg width={width} height={plot + BOTTOM} style={{ display: 'block' }}>
        {rows.map(({ name, field, spans }, row) => (
          <g key={name} data-row={name}>
            <text x={left - 8} y={row * tall + tall / 2} textAnchor="end" dominantBaseline="central" fontSize={12}
              fill={theme.colors.text.primary}>{name}</text>
            {spans.map(({ value, start, end }) => {
              const made = field.display(value);
              const text = formattedValueToString(made);
              const wide = Math.max(1, x(end) - x(start));
              return (
                <g key={start}>
                  <rect x={x(start)} y={row * tall + (tall - thick) / 2} width={wide} height={thick} fill={made.color}
                    fillOpacity={(options.fillOpacity ?? 70) / 100} stroke={made.color}><title>{text}</title></rect>
                  {wide > text.length * 8 + 8 && thick > 14 && options.showValue !== 'never' && (
                    <text x={x(start) + 6} y={row * tall + tall / 2} dominantBaseline="central" fontSize={12}
                      fill={theme.colors.getContrastText(made.color)}>{text}</text>
                  )}
                </g>
              );
            })}
          </g>
        ))}
        <TimeAxis range={range} left={left} width={width - left} top={plot} theme={theme} timeZone={timeZone} />
      </svg>
      <Legend options={options.legend} width={width} items={[...shown].map(([label, color]) => ({ label, color }))} />
    </>
  );
}
