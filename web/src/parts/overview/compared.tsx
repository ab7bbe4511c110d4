import type { Summary } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { momentText } from '../../view/format.ts';
import { comparisonLabels } from '../../view/view.ts';

/** Which time the figures stand beside, and what of it is not known. */
export function Compared({ summary }: { readonly summary: Summary | undefined }) {
  const { view } = usePage();
  const compared = summary?.compared;
  if (view.compare === undefined || compared === undefined) return null;
  const label = comparisonLabels[view.compare];
  const moment = (text: string) => momentText(text, view.zone).slice(0, 19);
  if (compared.total === undefined && compared.buckets.length === 0)
    return <p className="note">The log does not go back far enough to compare with: {label.toLowerCase()}.</p>;
  return (
    <>
      <p className="quiet">
        {label}: {moment(compared.from)} to {moment(compared.to)}.
      </p>
      {compared.gaps?.map(gap => (
        <p className="note note-bad" key={gap.from}>
          Messages from {moment(gap.from)} to {moment(gap.to)} may be missing in what was before: {gap.reason}. How much
          more or less it is now is not told.
        </p>
      ))}
      {!compared.complete && compared.gaps === undefined && (
        <p className="note">
          Not everything of the earlier time could be counted in time: how much more or less it is now is not told.
        </p>
      )}
    </>
  );
}
