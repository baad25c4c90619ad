// Grafana's Gauge component draws with a plug-in of jQuery that is in none of its packages: this draws the same from the
// value, its colour and the thresholds that they give.
import { formattedValueToString, getActiveThreshold } from '@grafana/data';

import { Repeated, valuesOf } from '../values.jsx';

const TURN = 0.7; // of a circle, from lower left to lower right
const TITLE = 20;
const BAND = 5; // the thresholds' ring, outside the value's

function arc(from, to, radius) {
  const at = (share) => {
    const angle = 2 * Math.PI * (TURN * (share - 0.5));
    return `${radius * Math.sin(angle)} ${-radius * Math.cos(angle)}`;
  };
  return `M ${at(from)} A ${radius} ${radius} 0 ${(to - from) * TURN > 0.5 ? 1 : 0} 1 ${at(to)}`;
}

function bands({ min, max, thresholds, color }, theme) {
  if (!thresholds || color?.mode !== 'thresholds') {
    return [];
  }
  const percent = thresholds.mode === 'percentage';
  const share = (value) => Math.min(1, Math.max(0, percent ? value / 100 : (value - min) / (max - min)));
  return thresholds.steps.map((step, i) => ({
    from: share(step.value),
    to: i + 1 < thresholds.steps.length ? share(thresholds.steps[i + 1].value) : 1,
    color: theme.visualization.getColorByName(getActiveThreshold(step.value, thresholds.steps).color),
  })).filter(({ from, to }) => to > from);
}

function Gauge({ value, field, width, height, theme, options, named }) {
  const room = height - (named ? TITLE : 0);
  const radius = Math.max(10, Math.min(width / 2, room / 1.6) - 4);
  const thick = Math.min(radius / 3, 40);
  const min = field.min ?? 0;
  const max = field.max ?? 100;
  const share = value.percent ?? (value.numeric - min) / (max - min);
  const shown = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
  const text = formattedValueToString(value);
  const size = Math.min(radius * 0.5, ((radius - thick) * 2.8) / Math.max(4, text.length));
  const inner = radius - BAND - 2 - thick / 2;
  return (
    <svg width={width} height={height} data-value={text}>
      <g transform={`translate(${width / 2} ${4 + radius})`} fill="none">
        {options.showThresholdMarkers !== false && bands({ ...field, min, max }, theme).map(({ from, to, color }) => (
          <path key={from} d={arc(from, to, radius - BAND / 2)} stroke={color} strokeWidth={BAND} />
        ))}
        <path d={arc(0, 1, inner)} stroke={theme.colors.background.secondary} strokeWidth={thick} />
        {shown > 0 && <path data-part="value" d={arc(0, shown, inner)} stroke={value.color} strokeWidth={thick} />}
        <text textAnchor="middle" dominantBaseline="central" fontSize={size} fill={value.color}>{text}</text>
      </g>
      {named && (
        <text x={width / 2} y={height - 5} textAnchor="middle" fontSize={14} fill={theme.colors.text.primary}>
          {value.title}
        </text>
      )}
    </svg>
  );
}

export function Gauges(props) {
  const { options, theme } = props;
  const values = valuesOf(props);
  const draw = ({ value, width, height }) => (
    <Gauge value={value.display} field={value.field} width={width} height={height} theme={theme} options={options}
      named={Boolean(value.display.title)} />
  );
  return <Repeated {...props} values={values} draw={draw} autoGrid minVizWidth={options.minVizWidth ?? 75}
    minVizHeight={options.minVizHeight ?? 75} />;
}
