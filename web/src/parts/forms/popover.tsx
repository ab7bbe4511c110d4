import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { dialogOpens } from './dialog.tsx';

/** Left, it is out of sight and has what somebody wrote in it. */
type State = 'closed' | 'open' | 'left';

/**
 * A button, and what it opens over the page. Whoever clicks or goes elsewhere, or opens a dialog, leaves it: it is out of the
 * way at once, and what was written in it is there when it is opened again. Escape, wherever the focus is, and its own
 * buttons close it for good.
 */
export function Popover(props: {
  readonly label: ReactNode;
  /** Where the label may be cut. */
  readonly title?: string;
  /** Whether something is chosen in it. */
  readonly set?: boolean;
  /** Of the box that holds button and content, where one is needed. */
  readonly className?: string;
  readonly children: (id: string, close: () => void) => ReactNode;
}) {
  const { label, title, set = false, className = 'popover', children } = props;
  const [state, setState] = useState<State>('closed');
  const id = useId();
  const opener = useRef<HTMLButtonElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const close = () => {
    setState('closed');
    opener.current?.focus();
  };
  const isOpen = state === 'open';
  useEffect(() => {
    if (!isOpen) return;
    const leave = () => setState('left');
    const look = ({ target }: Event) => {
      const isOwn = [opener, content].some(({ current }) => target instanceof Node && current?.contains(target));
      if (!isOwn) leave();
    };
    // Before anybody else hears of it: what lies below must not be closed with it.
    const press = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      setState('closed');
      opener.current?.focus();
    };
    document.addEventListener('pointerdown', look, true);
    document.addEventListener('focusin', look, true);
    document.addEventListener('keydown', press, true);
    addEventListener(dialogOpens, leave);
    content.current?.querySelector<HTMLElement>('[data-first]')?.focus();
    return () => {
      document.removeEventListener('pointerdown', look, true);
      document.removeEventListener('focusin', look, true);
      document.removeEventListener('keydown', press, true);
      removeEventListener(dialogOpens, leave);
    };
  }, [isOpen]);
  return (
    <div className={className}>
      <button
        ref={opener}
        type="button"
        className={set ? 'set' : undefined}
        title={title}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setState(isOpen ? 'left' : 'open')}
      >
        {label}
      </button>
      {state !== 'closed' && (
        <div ref={content} className="popover" hidden={!isOpen}>
          {children(id, close)}
        </div>
      )}
    </div>
  );
}
