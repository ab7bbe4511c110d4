import { Dialog } from '../forms/dialog.tsx';

const keys = [
  ['/', 'Search'],
  ['↑ ↓', 'Move in the table; with a message open, read the next one'],
  ['Page ↑ ↓, Home, End', 'Move by a screen, to the first, to the last'],
  ['Enter', 'Open the message'],
  ['Esc', 'Close what is open'],
  ['?', 'This help'],
] as const;

export function Help({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog label="Help" onClose={onClose}>
      <dl className="keys">
        {keys.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p>
        Paste an id into the search: the log is asked whether it is a message, a bulk, a destination, a sender, a
        campaign, an application or an entity.
      </p>
      <p>The address bar holds the whole view. Send it to a colleague, who sees the same after signing in.</p>
    </Dialog>
  );
}
