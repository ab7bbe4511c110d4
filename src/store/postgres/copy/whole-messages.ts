import { integer, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import type { WholeMessage, WholeReport } from '../../whole-message.ts';
import { messagesAt, placeValues, type Reading, reportsAt } from '../record/record-statements.ts';
import { sealedThere } from '../record/taking-out.ts';
import { identityIn, logColumnCount, logColumns, type Place, placeIn, stateIn } from '../rows/log-row.ts';
import { readReport, readState } from '../rows/report-text.ts';
import type { Sealed } from '../sealed/sealed-block.ts';

/** A message where it stands. */
export type Stored = { readonly place: Place; readonly message: WholeMessage; readonly sealed?: Sealed };

const wholeMessages: Statement = { name: 'whole messages', text: messagesAt(`${logColumns}, m.received_at`) };
const wholeReports: Statement = {
  name: 'whole reports',
  text: reportsAt('r.number, r.said, r.received_at, r.state_before'),
};

/** What stands at these places, by message id. Two statements: nobody may change it meanwhile. */
export async function storedAt(reading: Reading, asked: readonly Place[]): Promise<ReadonlyMap<string, Stored>> {
  const { session, account } = reading;
  const stored = new Map<string, Stored>();
  if (asked.length === 0) return stored;
  const values = [account, ...placeValues(asked)];
  const unsealed = await session.query(wholeMessages, values);
  const there = new Set(unsealed.map(row => placeIn(row).number));
  const sealed = await sealedThere(
    reading,
    asked.filter(({ number }) => !there.has(number)),
  );
  const messages = [...unsealed, ...Array.from(sealed.values(), ({ row, receivedAt }) => [...row, receivedAt])];
  const reports = Map.groupBy(await session.query(wholeReports, values), row => integer(row[0]));
  for (const row of messages) {
    const [place, identity, state] = [placeIn(row), identityIn(row), stateIn(row)];
    const said = (reports.get(place.number) ?? []).map(one => ({
      said: readReport(text(one[1])),
      receivedAt: integer(one[2]),
      before: readState(text(one[3])),
    }));
    const whole = said.map(
      ({ before: _, ...one }, i): WholeReport => ({ ...one, after: said[i + 1]?.before ?? state }),
    );
    const receivedAt = integer(row[logColumnCount]);
    const message = { identity, receivedAt, initial: said[0]?.before ?? state, reports: whole };
    const block = sealed.get(place.number);
    stored.set(identity.messageId, { place, message, ...(block !== undefined && { sealed: block }) });
  }
  return stored;
}
