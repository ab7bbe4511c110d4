import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { boundsOf } from '../../view/range.ts';
import { type Field, fieldLabels, only, type View, without } from '../../view/view.ts';

type Way = { readonly sign: string; readonly label: string; readonly go: (view: View) => View };

function Ways({ ways }: { readonly ways: readonly Way[] }) {
  const { change } = usePage();
  return (
    <span className="narrow">
      {ways.map(({ sign, label, go }) => (
        <button key={sign} type="button" aria-label={label} title={label} onClick={() => change(go)}>
          {sign}
        </button>
      ))}
    </span>
  );
}

/** Ways from a value to the messages that have it, and to those that have not. */
export function Narrow({ field, value }: { readonly field: Field; readonly value: string }) {
  const name = fieldLabels[field].toLowerCase();
  const ways = [
    { sign: '=', label: `Only this ${name}`, go: (view: View) => only(view, field, [value]) },
    { sign: '≠', label: `Not this ${name}`, go: (view: View) => without(view, field, value) },
  ];
  return <Ways ways={ways} />;
}

/** Ways from a moment to what was sent from then on, and to what was sent until then. */
export function NarrowTime({ ms }: { readonly ms: number }) {
  const bounded = (bound: { readonly sinceMs: number } | { readonly untilMs: number }) => (view: View) => ({
    ...view,
    range: { ...boundsOf(view, nowMs()), ...bound },
  });
  const ways = [
    { sign: '≥', label: 'From this time on', go: bounded({ sinceMs: ms }) },
    // Others of the same millisecond too.
    { sign: '≤', label: 'Until this time', go: bounded({ untilMs: ms + 1 }) },
  ];
  return <Ways ways={ways} />;
}
