import { type ReactNode, useEffect, useRef } from 'react';

/** A window over the page; Escape and its button close it. */
export function Dialog(props: { readonly label: string; readonly onClose: () => void; readonly children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-label={props.label} onClose={props.onClose}>
      <header>
        <h2>{props.label}</h2>
        <button type="button" aria-label="Close" onClick={() => dialog.current?.close()}>
          ×
        </button>
      </header>
      {props.children}
    </dialog>
  );
}
