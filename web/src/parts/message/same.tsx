import type { Log } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { type Conditions, countedAs, errorSought } from '../../view/view.ts';

/** Ways from one message to others like it. */
export function Same({ message }: { readonly message: Log }) {
  const { change } = usePage();
  const show = (conditions: Conditions) => change(view => ({ ...view, conditions, not: {}, range: { last: 'all' } }));
  const { bulkId, destination, sender, error, status, campaignReferenceId } = message;
  const errorName = error.id === 0 ? undefined : errorSought(error);
  const same: readonly (readonly [string, Conditions])[] = [
    ...(bulkId === undefined ? [] : [['bulk', { bulkId: [bulkId] }] as const]),
    ['destination', { destination: [destination] }],
    ['sender', { sender: [sender] }],
    ...(campaignReferenceId === undefined
      ? []
      : [['campaign', { campaignReferenceId: [campaignReferenceId] }] as const]),
    ...(errorName === undefined
      ? []
      : [['error', { error: [errorName], generalStatus: [countedAs(status)] }] as const]),
  ];
  return (
    <p className="same">
      <span className="quiet">Same</span>
      {same.map(([name, conditions]) => (
        <button key={name} type="button" aria-label={`Same ${name}`} onClick={() => show(conditions)}>
          {name}
        </button>
      ))}
    </p>
  );
}
