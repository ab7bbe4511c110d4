import { useState } from 'react';
import { usePage } from '../page-context.ts';
import { SearchBox } from './search-box.tsx';
import { applyTheme, keptTheme, type Theme, themes } from './theme.ts';

export function Header(props: { readonly onEnd: () => void; readonly onHelp: () => void }) {
  const { api } = usePage();
  const signOut = () => {
    // Whether the server could be told or not: the token is forgotten here, and ends by itself there.
    api.signOut().catch(() => undefined);
    props.onEnd();
  };
  return (
    <header className="head">
      <h1>sentlog</h1>
      <SearchBox />
      <nav aria-label="Page">
        <ThemeButton />
        <button type="button" onClick={props.onHelp} aria-label="Help" title="Help (?)">
          ?
        </button>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </nav>
    </header>
  );
}

const themeSigns: Readonly<Record<Theme, string>> = { system: '◐', light: '☀', dark: '☾' };

function ThemeButton() {
  const [theme, setTheme] = useState(keptTheme);
  const cycle = () => {
    const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'system';
    applyTheme(next);
    setTheme(next);
    dispatchEvent(new Event('sentlog:theme'));
  };
  return (
    <button type="button" onClick={cycle} aria-label={`Colours: ${theme}`} title={`Colours: ${theme}`}>
      {themeSigns[theme]}
    </button>
  );
}
