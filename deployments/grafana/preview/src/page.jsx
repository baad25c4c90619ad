// What stands around the dashboards: that this is a preview, of when and from where, which one is shown, light or dark.
import { useEffect, useState } from 'react';

import { createTheme, dateTimeFormat } from '@grafana/data';
import { ThemeContext } from '@grafana/ui';

import { Dashboard } from './dashboard.jsx';

const DARK = window.matchMedia('(prefers-color-scheme: dark)');

function useDark() {
  const [dark, setDark] = useState(DARK.matches);
  useEffect(() => {
    const follow = (event) => setDark(event.matches);
    DARK.addEventListener('change', follow);
    return () => DARK.removeEventListener('change', follow);
  }, []);
  return [dark, setDark];
}

function useShown(dashboards) {
  const read = () => decodeURIComponent(window.location.hash.slice(1));
  const [uid, setUid] = useState(read());
  useEffect(() => {
    const follow = () => setUid(read());
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  return dashboards.find((one) => one.json.uid === uid) ?? dashboards[0];
}

export function Page({ given }) {
  const [dark, setDark] = useDark();
  const shown = useShown(given.dashboards);
  const theme = createTheme({ colors: { mode: dark ? 'dark' : 'light' } });
  const { colors, typography } = theme;
  useEffect(() => {
    document.documentElement.style.background = colors.background.canvas;
    document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
    document.title = `${shown.json.title} (preview)`;
  }, [dark, shown]);
  const at = dateTimeFormat(given.made_ms, { timeZone: 'utc', format: 'YYYY-MM-DD HH:mm:ss' });
  const link = { color: colors.text.secondary, textDecoration: 'none', padding: '6px 10px', whiteSpace: 'nowrap' };
  return (
    <ThemeContext.Provider value={theme}>
      <div data-theme={dark ? 'dark' : 'light'} style={{ fontFamily: typography.fontFamily, fontSize: 14,
        color: colors.text.primary, background: colors.background.canvas, minHeight: '100vh' }}>
        <header style={{ padding: '12px 16px 0', display: 'flex', flexWrap: 'wrap', gap: 8, alignItems: 'baseline' }}>
          <h1 style={{ font: 'inherit', fontSize: 18, fontWeight: 500, margin: 0 }}>{shown.json.title}</h1>
          <span data-part="notice" style={{ color: colors.warning.text }}>
            A preview, not Grafana: answers of {given.prometheus} at {at} UTC.
          </span>
          {Object.entries(shown.variables).map(([name, value]) => (
            <span key={name} style={{ color: colors.text.secondary }}>{name}: {value}</span>
          ))}
        </header>
        <nav style={{ padding: '4px 6px', display: 'flex', flexWrap: 'wrap' }}>
          {given.dashboards.map(({ json }) => (
            <a key={json.uid} href={`#${encodeURIComponent(json.uid)}`} style={json.uid === shown.json.uid
              ? { ...link, color: colors.text.primary, borderBottom: `2px solid ${colors.primary.main}` } : link}>
              {json.title}
            </a>
          ))}
          <button onClick={() => setDark(!dark)} style={{ ...link, marginLeft: 'auto', font: 'inherit', cursor: 'pointer',
            background: 'none', border: `1px solid ${colors.border.medium}`, borderRadius: 4 }}>
            {dark ? 'Light' : 'Dark'}
          </button>
        </nav>
        <Dashboard key={`${shown.json.uid}-${dark}`} shown={shown} theme={theme} />
      </div>
    </ThemeContext.Provider>
  );
}
