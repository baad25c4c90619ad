import { BigValue } from '@grafana/ui';

import { Repeated, valuesOf } from '../values.jsx';

export function Stat(props) {
  const { options, range, theme } = props;
  const graph = options.graphMode ?? 'area';
  const values = valuesOf(props, graph !== 'none');
  const draw = ({ value, width, height, alignmentFactors, count }) => {
    const line = value.sparkline?.y.values.length > 1 ? { ...value.sparkline, timeRange: range } : undefined;
    return (
      <BigValue value={value.display} sparkline={line} width={width} height={height} theme={theme} count={count}
        alignmentFactors={alignmentFactors} colorMode={options.colorMode ?? 'value'} graphMode={graph}
        justifyMode={options.justifyMode ?? 'auto'} textMode={options.textMode ?? 'auto'} text={options.text}
        disableWideLayout={options.wideLayout === false} />
    );
  };
  return <Repeated {...props} values={values} draw={draw} autoGrid />;
}
