import { type ComponentType, lazy } from 'react';

/**
 * A part of the page that is loaded by those who go there. It may be gone by then, where a page has stood open for days and
 * the server has another one.
 */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  return lazy(async () => ({ default: await load().catch(() => NotLoaded) }));
}

function NotLoaded() {
  return (
    <p className="note note-bad" role="alert">
      This part of the page could not be loaded.{' '}
      <button type="button" onClick={() => location.reload()}>
        Load the page anew
      </button>
    </p>
  );
}
