import { useState } from 'react';

/** A button that asks once more before it does what cannot be taken back. */
export function Confirm(props: { readonly label: string; readonly question: string; readonly onConfirm: () => void }) {
  const { label, question, onConfirm } = props;
  const [asking, setAsking] = useState(false);
  if (!asking)
    return (
      <button type="button" onClick={() => setAsking(true)}>
        {label} …
      </button>
    );
  return (
    <span
      className="confirm"
      role="alertdialog"
      aria-label={question}
      onKeyDown={event => {
        if (event.key === 'Escape') setAsking(false);
      }}
    >
      {question}
      <button
        type="button"
        className="danger"
        onClick={() => {
          setAsking(false);
          onConfirm();
        }}
      >
        {label}
      </button>
      <button type="button" ref={button => button?.focus()} onClick={() => setAsking(false)}>
        Cancel
      </button>
    </span>
  );
}
