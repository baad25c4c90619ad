// A dashboard's panels in Grafana's grid: 24 columns, rows of 30 pixels with 8 between; one column on a narrow screen.
import { useEffect, useRef, useState } from 'react';

import { Panel } from './panel.jsx';

const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const NARROW = 769;

function useWidth() {
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return [box, width];
}

// A collapsed row keeps its panels inside itself; here every row stands open.
function laid(panels) {
  const all = [];
  let down = 0;
  for (const panel of panels) {
    const place = { ...panel.gridPos, y: panel.gridPos.y + down };
    all.push({ ...panel, gridPos: place });
    for (const inner of panel.type === 'row' ? panel.panels ?? [] : []) {
      all.push({ ...inner, gridPos: { ...inner.gridPos, y: inner.gridPos.y + down } });
    }
    if (panel.type === 'row' && panel.panels?.length) {
      const below = Math.max(...panel.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
      down += below - panel.gridPos.y - 1;
    }
  }
  return all;
}

function boxes(panels, width) {
  const inner = width - 2 * GAP;
  const tall = (h) => h * ROW + (h - 1) * GAP;
  if (inner < NARROW) {
    let top = 0;
    const inOrder = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
    return inOrder.map((panel) => {
      const box = { panel, left: GAP, top, width: inner, height: tall(panel.gridPos.h) };
      top += box.height + GAP;
      return box;
    });
  }
  const column = (inner - GAP * (COLUMNS - 1)) / COLUMNS;
  return panels.map((panel) => {
    const { x, y, w, h } = panel.gridPos;
    return {
      panel,
      left: GAP + Math.round(x * (column + GAP)),
      top: y * (ROW + GAP),
      width: Math.round(w * column + (w - 1) * GAP),
      height: tall(h),
    };
  });
}

export function Dashboard({ shown, theme }) {
  const [box, width] = useWidth();
  const placed = width ? boxes(laid(shown.json.panels), width) : [];
  const height = Math.max(0, ...placed.map((one) => one.top + one.height)) + GAP;
  return (
    <main ref={box} data-uid={shown.json.uid} style={{ position: 'relative', height }}>
      {placed.map(({ panel, ...place }) => (
        <Panel key={panel.id} panel={panel} place={place} asked={shown.panels[panel.id]} shown={shown} theme={theme} />
      ))}
    </main>
  );
}
