import { useState } from 'react';
import { usePage } from '../../page-context.ts';
import { type Room, rooms } from '../../view/view.ts';
import { SearchBox } from '../search/search-box.tsx';
import { applyTheme, keptTheme, type Theme, themes } from './theme.ts';
import { useOffers } from './use-offers.ts';

export function Header(props: { readonly onEnd: (notice?: string) => void; readonly onHelp: () => void }) {
  const { api } = usePage();
  const signOut = () =>
    api.signOut().then(
      () => props.onEnd(),
      () =>
        props.onEnd('The server could not be told: whoever reloads this page is signed in. Do so, and sign out again.'),
    );
  return (
    <header className="head">
      <h1>sentlog</h1>
      <SearchBox />
      <nav aria-label="Page">
        <RoomButtons />
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

const roomLabels: Readonly<Record<Room, string>> = { sources: 'Sources', access: 'Access' };

/** Ways between the log and what stands beside it, as far as whoever has signed in has any. */
function RoomButtons() {
  const { view, change } = usePage();
  const offers = useOffers();
  const has: Readonly<Record<Room, boolean>> = {
    sources: offers.sources || offers.senders || offers.sending,
    access: offers.access,
  };
  return rooms
    .filter(room => has[room] || view.room === room)
    .map(room => (
      <button
        key={room}
        type="button"
        aria-pressed={view.room === room}
        onClick={() => change(one => ({ ...one, room: one.room === room ? undefined : room }))}
      >
        {roomLabels[room]}
      </button>
    ));
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
