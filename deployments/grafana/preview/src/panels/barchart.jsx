import { FieldType, formattedValueToString, getFieldDisplayName, outerJoinDataFrames } from '@grafana/data';

import { Legend } from '../axes.jsx';

const NAMES = 20;
const LEGEND = 28;
const VALUE = 16; // above the tallest bar

function joined(frames) {
  return frames.length > 1 ? outerJoinDataFrames({ frames }) ?? frames[0] : frames[0];
}

// Bars of one unit share a scale; those of another have their own, as the axes of Grafana's bar chart.
function scales(fields) {
  const most = new Map();
  for (const { config, values } of fields) {
    const tallest = Math.max(config.max ?? 0, ...values.filter(Number.isFinite).map(Math.abs));
    most.set(config.unit ?? '', Math.max(most.get(config.unit ?? '') ?? 0, tallest));
  }
  return ({ config }) => most.get(config.unit ?? '') || 1;
}

export function BarChart({ frames, options, width, height, theme }) {
  const frame = joined(frames);
  const names = frame.fields.find((one) => options.xField && getFieldDisplayName(one, frame) === options.xField)
    ?? frame.fields.find((one) => one.type === FieldType.string)
    ?? frame.fields.find((one) => one.type === FieldType.time);
  const fields = frame.fields.filter((one) => one.type === FieldType.number && !one.config.custom?.hideFrom?.viz);
  const scale = scales(fields);
  const many = names?.values.length ?? 1;
  const plot = height - NAMES - VALUE - (options.legend?.showLegend === false ? 0 : LEGEND);
  const group = width / many;
  const bar = (group * (options.groupWidth ?? 0.7)) / fields.length;
  const colour = (field, value) => field.display(value).color;
  return (
    <>
      <svg width={width} height={plot + NAMES + VALUE} style={{ display: 'block' }}>
        <line x2={width} y1={VALUE + plot} y2={VALUE + plot} stroke={theme.colors.border.medium} />
        {Array.from({ length: many }, (_, i) => (
          <g key={i} transform={`translate(${group * i + (group - bar * fields.length) / 2} ${VALUE})`}>
            {fields.map((field, j) => {
              const value = field.values[i];
              const tall = Number.isFinite(value) ? (Math.abs(value) / scale(field)) * plot : 0;
              const text = formattedValueToString(field.display(value));
              const wide = bar * (options.barWidth ?? 0.97);
              return (
                <g key={j}>
                  <rect x={j * bar + (bar - wide) / 2} y={plot - tall} width={wide} height={tall} fill={colour(field, value)}
                    fillOpacity={(field.config.custom?.fillOpacity ?? 80) / 100}><title>{text}</title></rect>
                  {options.showValue !== 'never' && wide > text.length * 6 && (
                    <text x={j * bar + bar / 2} y={plot - tall - 4} textAnchor="middle" fontSize={12}
                      fill={theme.colors.text.primary}>{text}</text>
                  )}
                </g>
              );
            })}
            <text x={(bar * fields.length) / 2} y={plot + 15} textAnchor="middle" fontSize={12}
              fill={theme.colors.text.secondary}>
              {names && formattedValueToString(names.display(names.values[i]))}
            </text>
          </g>
        ))}
      </svg>
      <Legend options={options.legend} width={width} items={fields.map((field) => ({
        label: getFieldDisplayName(field, frame), color: colour(field, field.values[0]) }))} />
    </>
  );
}
