// Which type of panel is drawn by what. By Grafana's components: stat, gauge, bargauge, timeseries, table. The others are
// no part of its packages and are drawn here, from fields that its packages formatted and coloured.
import { BarChart } from './barchart.jsx';
import { BarGauges } from './bargauge.jsx';
import { Gauges } from './gauge.jsx';
import { Heatmap } from './heatmap.jsx';
import { PieChart } from './piechart.jsx';
import { Stat } from './stat.jsx';
import { StateTimeline } from './statetimeline.jsx';
import { Rows } from './table.jsx';
import { Series } from './timeseries.jsx';

export const DRAWN = {
  barchart: BarChart,
  bargauge: BarGauges,
  gauge: Gauges,
  heatmap: Heatmap,
  piechart: PieChart,
  stat: Stat,
  'state-timeline': StateTimeline,
  table: Rows,
  timeseries: Series,
};
