import { dateTime } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';

const LEGEND = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };

export function Series({ frames, options, range, width, height, timeZone }) {
  const from = dateTime(range.from);
  const to = dateTime(range.to);
  return (
    <TimeSeries frames={frames} width={width} height={height} timeZone={options.timezone ?? timeZone} options={options}
      timeRange={{ from, to, raw: { from, to } }} legend={{ ...LEGEND, ...options.legend }} structureRev={1} />
  );
}
