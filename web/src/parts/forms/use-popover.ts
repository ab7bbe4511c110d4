import { type RefObject, useEffect, useRef } from 'react';

/**
 * Closes what lies over the page, with the button that opens it, by Escape wherever the focus is, and as soon as somebody
 * clicks or goes elsewhere; a dialog takes the focus, so nothing stays under one. Gives what the element takes as its ref.
 */
export function usePopover(open: boolean, close: () => void): RefObject<HTMLDivElement | null> {
  const box = useRef<HTMLDivElement>(null);
  const closeRef = useRef(close);
  closeRef.current = close;
  useEffect(() => {
    if (!open) return;
    const leave = (event: Event) => {
      if (event.target instanceof Node && box.current?.contains(event.target) !== true) closeRef.current();
    };
    // Before anybody else hears of it: what lies below must not be closed with it.
    const press = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      const opener = box.current?.querySelector<HTMLElement>('[aria-expanded], summary');
      closeRef.current();
      opener?.focus();
    };
    document.addEventListener('pointerdown', leave, true);
    document.addEventListener('focusin', leave, true);
    document.addEventListener('keydown', press, true);
    return () => {
      document.removeEventListener('pointerdown', leave, true);
      document.removeEventListener('focusin', leave, true);
      document.removeEventListener('keydown', press, true);
    };
  }, [open]);
  return box;
}
