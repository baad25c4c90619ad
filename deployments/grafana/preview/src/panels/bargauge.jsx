import { BarGauge } from '@grafana/ui';

import { Repeated, valuesOf } from '../values.jsx';

export function BarGauges(props) {
  const { options, theme } = props;
  const values = valuesOf(props);
  const draw = ({ value, width, height, orientation, alignmentFactors }) => (
    <BarGauge value={value.display} field={value.field} width={width} height={height} theme={theme} text={options.text}
      display={value.view?.getFieldDisplayProcessor(value.colIndex)} orientation={orientation} itemSpacing={8}
      alignmentFactors={alignmentFactors} displayMode={options.displayMode ?? 'gradient'} lcdCellWidth={12}
      showUnfilled={options.showUnfilled ?? true} valueDisplayMode={options.valueMode ?? 'color'}
      namePlacement={options.namePlacement ?? 'auto'} isOverflow={false} />
  );
  return <Repeated {...props} values={values} draw={draw} spacing={8} minVizWidth={options.minVizWidth ?? 8}
    minVizHeight={options.minVizHeight ?? 16} maxVizHeight={options.maxVizHeight ?? 300} />;
}
