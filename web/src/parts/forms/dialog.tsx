import { type ReactNode, useEffect, useRef } from 'react';

/** Told to the window by a dialog that opens: nothing else that lies over the page stays under one. */
export const dialogOpens = 'sentlog:dialog';

const written = 'textarea, input:not([type=radio], [type=checkbox])';

/**
 * A window over the page; Escape and its button close it. A click outside closes it as well, wherever that costs nothing:
 * once somebody has written in it, or waits for what it is doing, a click that missed it must not undo that.
 */
export function Dialog(props: {
  readonly label: string;
  readonly onClose: () => void;
  /** It does something that ends with it. */
  readonly busy?: boolean;
  readonly children: ReactNode;
}) {
  const { label, onClose, busy = false, children } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const isBusy = useRef(busy);
  isBusy.current = busy;
  useEffect(() => {
    const { current } = dialog;
    if (current === null) return;
    dispatchEvent(new Event(dialogOpens));
    if (!current.open) current.showModal();
    let isWritten = false;
    let isFromOutside = false;
    const isOutside = ({ target, clientX: x, clientY: y }: MouseEvent) => {
      const { left, right, top, bottom } = current.getBoundingClientRect();
      return target === current && (x < left || x > right || y < top || y > bottom);
    };
    const input = ({ target }: Event) => {
      if (target instanceof Element && target.matches(written)) isWritten = true;
    };
    // A text may be marked from inside to beyond the edge.
    const down = (event: MouseEvent) => {
      isFromOutside = isOutside(event);
    };
    const click = (event: MouseEvent) => {
      if (isFromOutside && isOutside(event) && !isWritten && !isBusy.current) current.close();
    };
    current.addEventListener('input', input);
    current.addEventListener('mousedown', down);
    current.addEventListener('click', click);
    return () => {
      current.removeEventListener('input', input);
      current.removeEventListener('mousedown', down);
      current.removeEventListener('click', click);
    };
  }, []);
  return (
    <dialog ref={dialog} aria-label={label} onClose={onClose}>
      <header>
        <h2>{label}</h2>
        <button type="button" aria-label="Close" onClick={() => dialog.current?.close()}>
          ×
        </button>
      </header>
      {children}
    </dialog>
  );
}
