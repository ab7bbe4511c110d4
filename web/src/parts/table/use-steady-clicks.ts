import { useEffect } from 'react';

/** What a click elsewhere may move under the pointer: a button, such as those of a cell, or a part of the page. */
const parts = 'button, summary, .table-box, .drawer, .overview, .filters, .table-bar, .head';

/**
 * The second click of a double click counts only where the first one was made: a message that opens moves the page, and
 * what then lies under the pointer was not meant.
 */
export function useSteadyClicks(): void {
  useEffect(() => {
    let first: Element | null = null;
    const click = (event: MouseEvent) => {
      const part = event.target instanceof Element ? event.target.closest(parts) : null;
      if (event.detail < 2) first = part;
      else if (part !== first) {
        event.stopPropagation();
        event.preventDefault();
      }
    };
    addEventListener('click', click, true);
    return () => removeEventListener('click', click, true);
  }, []);
}
