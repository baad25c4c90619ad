// One panel: its frame, what went wrong with its data, or its drawing.
import { Component, useEffect, useMemo, useState } from 'react';

import { renderTextPanelMarkdown } from '@grafana/data';

import { processed } from './fields.js';
import { framesOf } from './frames.js';
import { DRAWN } from './panels/index.js';

const PADDING = 8;
const HEADER = 32;

// What a drawing throws is shown in its own panel: the others are still worth looking at.
class Shield extends Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    return this.state.error ? <Said kind="error" text={String(this.state.error)} theme={this.props.theme} />
      : this.props.children;
  }
}

function Said({ kind, text, theme }) {
  const color = kind === 'error' ? theme.colors.error.text : theme.colors.text.secondary;
  return (
    <div data-said={kind} style={{ height: '100%', display: 'grid', placeContent: 'center', overflow: 'auto',
      textAlign: 'center', color }}>
      {text}
    </div>
  );
}

function Row({ panel, place, theme }) {
  return (
    <h2 data-panel={panel.id} data-type="row" data-state="drawn" style={{ position: 'absolute', ...place, margin: 0,
      font: 'inherit', fontSize: 16, lineHeight: `${place.height}px`, color: theme.colors.text.primary }}>
      {panel.title}
    </h2>
  );
}

function useData(panel, asked, theme) {
  const [data, setData] = useState(null);
  useEffect(() => {
    let gone = false;
    processed(framesOf(asked), panel, theme, asked).then(
      (frames) => gone || setData({ frames }),
      (error) => gone || setData({ error: String(error) }),
    );
    return () => { gone = true; };
  }, [panel.id, theme]);
  return data;
}

function Body({ panel, asked, width, height, theme, dashboard }) {
  const data = useData(panel, asked, theme);
  const Drawn = DRAWN[panel.type];
  const failed = asked.targets.filter((one) => one.error);
  let said;
  if (failed.length) {
    said = <Said kind="error" theme={theme} text={failed.map((one) => `${one.refId}: ${one.error}`).join('\n')} />;
  } else if (!Drawn) {
    said = <Said kind="error" theme={theme} text={`panels of type ${panel.type} are not drawn in this preview`} />;
  } else if (data?.error) {
    said = <Said kind="error" theme={theme} text={data.error} />;
  } else if (!asked.targets.some((one) => one.result?.result.length) && !panel.fieldConfig?.defaults?.noValue) {
    said = <Said kind="empty" theme={theme} text="No data" />;
  }
  const state = said ? said.props.kind : data ? 'drawn' : 'waiting';
  const range = useMemo(() => asked.range, [asked]);
  return (
    <div data-state={state} style={{ position: 'absolute', left: PADDING, top: HEADER, width, height, overflow: 'hidden' }}>
      {said ?? (data && (
        <Shield theme={theme}>
          <Drawn panel={panel} options={panel.options ?? {}} frames={data.frames} range={range} width={width}
            height={height} theme={theme} timeZone={dashboard.timezone || 'browser'} />
        </Shield>
      ))}
    </div>
  );
}

function Text({ panel }) {
  const { content = '', mode } = panel.options ?? {};
  return mode === 'html' || mode === 'code' ? <pre style={{ margin: 0 }}>{content}</pre>
    : <div dangerouslySetInnerHTML={{ __html: renderTextPanelMarkdown(content) }} />;
}

export function Panel({ panel, place, asked, shown, theme }) {
  if (panel.type === 'row') {
    return <Row panel={panel} place={place} theme={theme} />;
  }
  const { colors, shape } = theme;
  const inner = { width: place.width - 2 * PADDING - 2, height: place.height - HEADER - PADDING - 2 };
  return (
    <section data-panel={panel.id} data-type={panel.type} style={{ position: 'absolute', ...place,
      boxSizing: 'border-box', overflow: 'hidden', borderRadius: shape.radius?.default ?? 4,
      border: `1px solid ${panel.transparent ? 'transparent' : colors.border.weak}`,
      background: panel.transparent ? 'none' : colors.background.primary }}>
      <h2 title={panel.description} style={{ font: 'inherit', fontWeight: 500, margin: 0, padding: '0 8px',
        lineHeight: `${HEADER}px`, whiteSpace: 'nowrap', overflow: 'hidden', textOverflow: 'ellipsis' }}>
        {panel.title}
        {panel.timeFrom && <small style={{ color: colors.text.secondary }}> Last {panel.timeFrom}</small>}
      </h2>
      {panel.type === 'text'
        ? <div data-state="drawn" style={{ padding: '0 8px', height: inner.height, overflow: 'auto' }}><Text panel={panel} /></div>
        : <Body panel={panel} asked={asked} dashboard={shown.json} theme={theme} {...inner} />}
    </section>
  );
}
