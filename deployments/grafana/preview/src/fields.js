// Grafana's own treatment of fields: transformations, then unit, thresholds, mappings and colours, by override.
import { lastValueFrom } from 'rxjs';

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';

const STANDARD = ['unit', 'min', 'max', 'decimals', 'displayName', 'color', 'thresholds', 'mappings', 'noValue',
  'links', 'filterable', 'fieldMinMax'];
const CUSTOM = ['align', 'axisBorderShow', 'axisCenteredZero', 'axisColorMode', 'axisGridShow', 'axisLabel',
  'axisPlacement', 'axisSoftMax', 'axisSoftMin', 'axisWidth', 'barAlignment', 'barWidthFactor', 'cellOptions',
  'drawStyle', 'fillBelowTo', 'fillOpacity', 'gradientMode', 'hidden', 'hideFrom', 'insertNulls', 'lineInterpolation',
  'lineStyle', 'lineWidth', 'minWidth', 'pointSize', 'scaleDistribution', 'showPoints', 'spanNulls', 'stacking',
  'thresholdsStyle', 'transform', 'width'];

const property = (path, isCustom) => ({
  id: isCustom ? `custom.${path}` : path,
  path,
  name: path,
  isCustom,
  override: () => null,
  editor: () => null,
  process: identityOverrideProcessor,
  shouldApply: () => true,
});

const REGISTRY = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((path) => property(path, false)),
  ...CUSTOM.map((path) => property(path, true)),
]);

// What Grafana fills in for a field that says nothing.
const DEFAULTS = {
  color: { mode: 'palette-classic' },
  thresholds: { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }, { value: 80, color: 'red' }] },
};
const BY_THRESHOLD = new Set(['stat', 'gauge', 'bargauge', 'table', 'state-timeline']);
const SERIES = { drawStyle: 'line', lineWidth: 1, fillOpacity: 0, showPoints: 'auto', pointSize: 5, spanNulls: false,
  lineInterpolation: 'linear', axisPlacement: 'auto', hideFrom: {}, stacking: { mode: 'none', group: 'A' },
  scaleDistribution: { type: 'linear' }, thresholdsStyle: { mode: 'off' }, gradientMode: 'none' };
const OF_TYPE = { timeseries: SERIES, table: { align: 'auto', cellOptions: { type: 'auto' } } };

export async function prepare() {
  await initPluginTranslations('preview');
  const each = new Map(Object.values(standardTransformers).map((one) => [one.id, one])); // one has two names
  standardTransformersRegistry.setInit(() => [...each.values()]
    .map((one) => ({ id: one.id, name: one.name, transformation: one, editor: () => null })));
}

// JSON knows no infinity: a dashboard's first step has null where Grafana keeps the lowest of all.
function stepped(thresholds) {
  return thresholds && { ...thresholds, steps: thresholds.steps.map((s) => ({ ...s, value: s.value ?? -Infinity })) };
}

export function configOf(panel) {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const color = BY_THRESHOLD.has(panel.type) ? { mode: 'thresholds' } : DEFAULTS.color;
  return {
    defaults: {
      ...defaults,
      color: defaults.color ?? color,
      thresholds: stepped(defaults.thresholds) ?? DEFAULTS.thresholds,
      custom: { ...OF_TYPE[panel.type], ...defaults.custom },
    },
    overrides: overrides.map((rule) => ({
      ...rule,
      properties: rule.properties.map((one) => one.id === 'thresholds' ? { ...one, value: stepped(one.value) } : one),
    })),
  };
}

export const replaced = (asked) => (text) => String(text ?? '').replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)/g,
  (whole, braced, plain) => asked.variables[braced ?? plain] ?? whole);

export async function processed(frames, panel, theme, asked) {
  const steps = (panel.transformations ?? []).filter((one) => !one.disabled);
  const unknown = steps.find((one) => !standardTransformersRegistry.getIfExists(one.id));
  if (unknown) {
    throw new Error(`Grafana's packages know no transformation ${unknown.id}`);
  }
  const replaceVariables = replaced(asked);
  const data = steps.length
    ? await lastValueFrom(transformDataFrame(steps, frames, { interpolate: replaceVariables })) : frames;
  const all = { data, fieldConfig: configOf(panel), replaceVariables, theme, timeZone: 'utc' };
  const done = applyFieldOverrides({ ...all, fieldConfigRegistry: REGISTRY });
  cacheFieldDisplayNames(done); // the table looks nowhere else
  return done;
}
