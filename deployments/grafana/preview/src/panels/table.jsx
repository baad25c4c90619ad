import { TableNG } from '@grafana/ui/unstable';

export function Rows({ panel, frames, options, range, width, height }) {
  const frame = frames[options.frameIndex ?? 0] ?? frames[0];
  return (
    <TableNG data={frame} width={width} height={height} noHeader={options.showHeader === false} timeRange={range}
      initialSortBy={options.sortBy} cellHeight={options.cellHeight ?? 'sm'} fieldConfig={panel.fieldConfig}
      enableVirtualization={false} />
  );
}
