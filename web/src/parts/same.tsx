import type { Log } from '../../../src/client/index.ts';
import { usePage } from '../page-context.ts';
import { type Conditions, groupNames } from '../view/view.ts';

/** Ways from one message to others like it. */
export function Same({ message }: { readonly message: Log }) {
  const { change } = usePage();
  const show = (conditions: Conditions) => change(view => ({ ...view, conditions, range: { last: 'all' } }));
  const { bulkId, destination, sender, error, status, campaignReferenceId } = message;
  const group = groupNames.find(name => name === status.groupName);
  return (
    <p className="same">
      {bulkId !== undefined && (
        <button type="button" onClick={() => show({ bulkId: [bulkId] })}>
          Same bulk
        </button>
      )}
      <button type="button" onClick={() => show({ destination: [destination] })}>
        Same destination
      </button>
      <button type="button" onClick={() => show({ sender: [sender] })}>
        Same sender
      </button>
      {campaignReferenceId !== undefined && (
        <button type="button" onClick={() => show({ campaignReferenceId: [campaignReferenceId] })}>
          Same campaign
        </button>
      )}
      {error.id !== 0 && (
        <button
          type="button"
          onClick={() => show({ error: [error.name], ...(group !== undefined && { generalStatus: [group] }) })}
        >
          Same error
        </button>
      )}
    </p>
  );
}
