import { usePage } from '../../page-context.ts';
import { comparisonLabels, comparisons } from '../../view/view.ts';

/** Which earlier time stands beside. */
export function CompareChoice() {
  const { view, change } = usePage();
  return (
    <select
      aria-label="Compare with"
      className={view.compare === undefined ? undefined : 'set'}
      value={view.compare ?? ''}
      onChange={event => {
        const compare = comparisons.find(one => one === event.target.value);
        change(one => ({ ...one, compare }), { replace: true });
      }}
    >
      <option value="">Compare with …</option>
      {comparisons.map(one => (
        <option key={one} value={one}>
          Beside {comparisonLabels[one].toLowerCase()}
        </option>
      ))}
    </select>
  );
}
