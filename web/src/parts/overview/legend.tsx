import type { Summary } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { countText, wordsOf } from '../../view/format.ts';
import { type GroupName, groupNames, isShown, only } from '../../view/view.ts';
import { Apart } from '../forms/apart.tsx';
import { useHeldHeight } from '../forms/use-held-height.ts';

export function Legend({ summary }: { readonly summary: Summary | undefined }) {
  const { view, change } = usePage();
  const chosen = view.conditions.generalStatus ?? [];
  const isOnly = (name: GroupName) => chosen.length === 1 && chosen[0] === name;
  const toggle = (name: GroupName) => change(one => only(one, 'generalStatus', isOnly(name) ? [] : [name]));
  const list = useHeldHeight<HTMLUListElement>(summary?.groups !== undefined, 'sentlog.legend');
  return (
    <ul ref={list} className="legend" aria-label="Filter by status">
      {groupNames
        .filter(name => chosen.includes(name) || isShown(name, summary?.groups?.[name]))
        .map(name => (
          <li key={name}>
            <button type="button" aria-pressed={chosen.includes(name)} onClick={() => toggle(name)}>
              <span className={`swatch swatch-${name.toLowerCase()}`} aria-hidden="true" />
              {wordsOf(name)}
              <Apart />
              <span className="count">{summary?.groups === undefined ? '' : countText(summary.groups[name])}</span>
            </button>
          </li>
        ))}
    </ul>
  );
}
