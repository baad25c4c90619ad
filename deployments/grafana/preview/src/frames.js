// Prometheus' answers as data frames, as Grafana's Prometheus data source makes them.
import { createDataFrame, FieldType } from '@grafana/data';

const number = (text) => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text));

function verbose({ __name__: name = '', ...labels }) {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length ? `${name}{${pairs.join(', ')}}` : name || '{}';
}

// The name of a series: {{label}} of its legend, or, left to Grafana, what tells it from the others.
export function nameOf(labels, legend) {
  return legend && legend !== '__auto'
    ? legend.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? '')
    : verbose(labels);
}

// The answer as [labels, times, values] of each series, whichever of its four shapes it has.
function seriesOf({ resultType, result }) {
  if (resultType === 'scalar' || resultType === 'string') {
    return result.length ? [[{}, [result[0] * 1000], [number(result[1])]]] : [];
  }
  return result.map(({ metric, value, values }) => {
    const samples = values ?? [value];
    return [metric, samples.map(([at]) => at * 1000), samples.map(([, text]) => number(text))];
  });
}

function seriesFrames(target) {
  return seriesOf(target.result).map(([labels, times, values]) => {
    const name = nameOf(labels, target.legendFormat);
    const given = target.legendFormat && target.legendFormat !== '__auto' ? { displayNameFromDS: name } : {};
    return createDataFrame({
      refId: target.refId,
      name,
      fields: [
        { name: 'Time', type: FieldType.time, values: times, config: { interval: target.step_s * 1000 } },
        { name: 'Value', type: FieldType.number, values, labels, config: given },
      ],
    });
  });
}

function tableFrame(target, several) {
  const all = seriesOf(target.result);
  const labels = [...new Set(all.flatMap(([metric]) => Object.keys(metric)))].sort();
  const rows = all.flatMap(([metric, times, values]) => times.map((at, i) => [metric, at, values[i]]));
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(([, at]) => at) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, values: rows.map(([m]) => m[label] ?? '') })),
      { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number, values: rows.map((row) => row[2]) },
    ],
  });
}

// Buckets of a histogram count all that is below their bound: a cell of a heatmap shows what is between two bounds.
function heatmapFrame(target) {
  const all = seriesOf(target.result).sort(([a], [b]) => number(a.le) - number(b.le));
  const times = [...new Set(all.flatMap(([, at]) => at))].sort((a, b) => a - b);
  let below = times.map(() => 0);
  const fields = all.map(([labels, at, values]) => {
    const by = new Map(at.map((time, i) => [time, values[i]]));
    const these = times.map((time, i) => by.get(time) ?? below[i]);
    const between = these.map((value, i) => Math.max(0, value - below[i]));
    below = these;
    return { name: labels.le ?? 'Value', type: FieldType.number, values: between, labels, config: {} };
  });
  const step = { interval: target.step_s * 1000 };
  return createDataFrame({
    refId: target.refId,
    meta: { type: 'heatmap-rows' },
    fields: [{ name: 'Time', type: FieldType.time, values: times, config: step }, ...fields],
  });
}

export function framesOf({ targets }) {
  const answered = targets.filter((one) => one.result && !one.hide);
  return answered.flatMap((target) => {
    if (target.format === 'table') {
      return [tableFrame(target, answered.length > 1)];
    }
    if (target.format === 'heatmap' && target.result.result.length) {
      return [heatmapFrame(target)];
    }
    return seriesFrames(target);
  });
}
