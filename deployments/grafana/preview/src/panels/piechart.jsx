import { formattedValueToString } from '@grafana/data';

import { valuesOf } from '../values.jsx';

const HOLE = 0.6;

// A slice of a circle round 0,0 from one share of the whole turn to another.
function slice(from, to, radius, hole) {
  const at = (share, r) => `${r * Math.sin(2 * Math.PI * share)} ${-r * Math.cos(2 * Math.PI * share)}`;
  const end = Math.min(to, from + 0.99999); // a whole turn would end where it began, and draw nothing
  const large = end - from > 0.5 ? 1 : 0;
  return `M ${at(from, radius)} A ${radius} ${radius} 0 ${large} 1 ${at(end, radius)} L ${at(end, hole)} `
    + `A ${hole} ${hole} 0 ${large} 0 ${at(from, hole)} Z`;
}

export function PieChart(props) {
  const { options, width, height, theme } = props;
  const values = valuesOf(props);
  const total = values.reduce((sum, { display }) => sum + Math.max(0, display.numeric || 0), 0);
  const right = options.legend?.placement === 'right';
  const shown = options.legend?.showLegend !== false;
  const line = 20;
  const room = shown && !right ? height - Math.min(height / 2, values.length * line) : height;
  const size = Math.max(20, Math.min(right && shown ? width / 2 : width, room)) - 8;
  const hole = options.pieType === 'donut' ? (size / 2) * HOLE : 0;
  let before = 0;
  const slices = values.map(({ display }) => {
    const from = before;
    before += total ? Math.max(0, display.numeric || 0) / total : 0;
    return { display, from, to: before };
  });
  const wanted = new Set(options.legend?.values ?? ['value', 'percent']);
  return (
    <div style={{ display: 'flex', flexDirection: right ? 'row' : 'column', alignItems: 'center', height,
      justifyContent: 'space-evenly' }}>
      <svg width={size} height={size} viewBox={`${-size / 2} ${-size / 2} ${size} ${size}`} style={{ flex: 'none' }}>
        {!total && <path d={slice(0, 1, size / 2, hole)} fill={theme.colors.background.secondary} />}
        {slices.filter(({ from, to }) => to > from).map(({ display, from, to }) => (
          <path key={display.title} d={slice(from, to, size / 2, hole)} fill={display.color}
            stroke={theme.colors.background.primary}>
            <title>{`${display.title}: ${formattedValueToString(display)}`}</title>
          </path>
        ))}
      </svg>
      {shown && (
        <table data-part="legend" style={{ fontSize: 12, borderSpacing: '8px 0', lineHeight: `${line}px` }}><tbody>
          {slices.map(({ display, from, to }) => (
            <tr key={display.title}>
              <td><span style={{ display: 'inline-block', width: 14, height: 4, borderRadius: 2, verticalAlign: 'middle',
                background: display.color }} /></td>
              <td>{display.title}</td>
              {wanted.has('value') && <td style={{ textAlign: 'right' }}>{formattedValueToString(display)}</td>}
              {wanted.has('percent') && (
                <td style={{ textAlign: 'right', color: theme.colors.text.secondary }}>
                  {total ? `${((to - from) * 100).toFixed(0)}%` : '–'}
                </td>
              )}
            </tr>
          ))}
        </tbody></table>
      )}
    </div>
  );
}
