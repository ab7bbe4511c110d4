import { usePage } from '../../page-context.ts';
import { inert } from '../../view/format.ts';
import { fieldLabels, fields, withCondition } from '../../view/view.ts';

/** The filters that are set, beside what they leave: in a line that is there without them, so that no row moves when one is set. */
export function Chips() {
  const { view, change } = usePage();
  const set = (['conditions', 'not'] as const).flatMap(kind =>
    fields.flatMap(field => {
      const values = view[kind][field];
      return values === undefined ? [] : [{ kind, field, values }];
    }),
  );
  if (set.length === 0) return null;
  return (
    <ul className="chips" aria-label="Filters that are set">
      {set.map(({ kind, field, values }) => (
        <li key={`${kind} ${field}`}>
          <span className="chip-name">
            {fieldLabels[field]}
            {kind === 'not' && ' not'}
          </span>
          <Values values={values} />
          <button
            type="button"
            aria-label={`Remove the filter ${fieldLabels[field]}${kind === 'not' ? ' not' : ''}`}
            onClick={() => change(one => withCondition(one, field, [], kind))}
          >
            ×
          </button>
        </li>
      ))}
      <li className="chip-clear">
        <button type="button" onClick={() => change(one => ({ ...one, conditions: {}, not: {} }))}>
          Clear all
        </button>
      </li>
    </ul>
  );
}

/** Beyond these only their number is told: a list of ids may hold a hundred. */
const valuesShown = 5;

/** Each value by itself, since one may hold a comma. */
function Values({ values }: { readonly values: readonly string[] }) {
  const more = values.length - valuesShown;
  return (
    <ul className="chip-values">
      {values.slice(0, valuesShown).map(value => (
        <li key={value} className="chip-value" title={inert(value, value.length)}>
          {inert(value, 80)}
        </li>
      ))}
      {more > 0 && <li className="chip-value">and {more} more</li>}
    </ul>
  );
}
