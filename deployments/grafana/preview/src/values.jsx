// The values of a panel that shows one for each series: reduced, formatted and coloured by Grafana's packages.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { VizRepeater } from '@grafana/ui';

import { configOf } from './fields.js';

export function valuesOf({ panel, options, frames, theme, timeZone }, sparkline = false) {
  const reduceOptions = { calcs: ['lastNotNull'], values: false, fields: '', ...options.reduceOptions };
  const replaceVariables = (text) => text;
  const fieldConfig = configOf(panel);
  return getFieldDisplayValues({ data: frames, fieldConfig, reduceOptions, replaceVariables, theme, timeZone, sparkline });
}

// `draw` makes one of them; Grafana's own grid puts them beside or below one another.
export function Repeated({ values, options, frames, width, height, draw, spacing = 3, ...rest }) {
  return (
    <VizRepeater getValues={() => values} getAlignmentFactors={getDisplayValueAlignmentFactors} renderValue={draw}
      width={width} height={height} source={frames} itemSpacing={spacing} renderCounter={0}
      orientation={options.orientation ?? 'auto'} {...rest} />
  );
}
