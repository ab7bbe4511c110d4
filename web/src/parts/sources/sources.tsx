import { usePage } from '../../page-context.ts';
import { useOffers } from '../frame/use-offers.ts';
import { Mirrors } from './mirrors.tsx';
import { Senders } from './senders.tsx';
import { TestMessage } from './test-message.tsx';

/** What fills the log beside those who post to it. */
export function Sources() {
  const { change } = usePage();
  const offers = useOffers();
  return (
    <main className="room" aria-label="Sources">
      <div className="room-head">
        <button type="button" onClick={() => change(view => ({ ...view, room: undefined }))}>
          ← Back to the log
        </button>
        <h2>Sources</h2>
      </div>
      {offers.sources && <Mirrors />}
      {offers.senders && <Senders />}
      {offers.sending && <TestMessage emulated={offers.emulator} />}
      {!offers.sources && !offers.senders && !offers.sending && (
        <p>
          This key may manage nothing here. It needs the scope messenger:manage, and may be bound to no application.
        </p>
      )}
    </main>
  );
}
