import { type Course, courseOf } from '../../../domain/acceptance.ts';
import { evidenceOf } from '../../../domain/evidence.ts';
import { limits } from '../../../limits.ts';
import { integer, type Row, text } from '../../../postgres/cells.ts';
import type { Statement } from '../../../postgres/session.ts';
import { identityIn, logColumns, type Place, placeIn, stateIn } from '../rows/log-row.ts';
import { readEvidence, readReport, readState } from '../rows/report-text.ts';
import type { KnownMessage } from './fold.ts';
import { messagesAt, placeValues, type Recording, reportsAt } from './record-statements.ts';
import { sealedThere } from './taking-out.ts';

const messagesToReportOn: Statement = { name: 'messages to report on', text: messagesAt(logColumns) };
/** The newest of each, as many as repeats are looked for in; the first, which tells what the message was recorded with. */
const newestReports: Statement = {
  name: 'newest reports',
  text: reportsAt('r.number, r.version, r.said', `ORDER BY r.version DESC LIMIT ${limits.repeatsSoughtMax}`),
};
const firstReports: Statement = {
  name: 'first reports',
  text: reportsAt('r.number, r.state_before', 'AND r.version = 1'),
};
/** All of them: where an older version of sentlog wrote so many and summed up none. */
const allReports: Statement = { name: 'all reports', text: reportsAt('r.number, r.version, r.said') };

/**
 * The messages at these places with what a further report on them needs of those before it; their keys must be locked.
 * A message that was dropped is not among them.
 */
export async function knownMessages(
  recording: Recording,
  asked: readonly Place[],
): Promise<ReadonlyMap<string, KnownMessage>> {
  const { session, account } = recording;
  const known = new Map<string, KnownMessage>();
  if (asked.length === 0) return known;
  const values = [account, ...placeValues(asked)];
  const [rows, newest, first] = await Promise.all([
    session.query(messagesToReportOn, values),
    session.query(newestReports, values),
    session.query(firstReports, values),
  ]);
  const unsealed = new Set(rows.map(row => placeIn(row).number));
  const sealed = await sealedThere(
    recording,
    asked.filter(({ number }) => !unsealed.has(number)),
  );
  const messages = [...rows, ...Array.from(sealed.values(), ({ row }) => row)];
  const initial = new Map(first.map(row => [integer(row[0]), readState(text(row[1]))]));
  const reports = Map.groupBy(newest.map(versionIn), ({ number }) => number);
  const places = new Map(messages.map(row => [integer(row[1]), placeIn(row)]));
  const unsummed = [...reports].filter(([, own]) => !isWhole(own)).flatMap(([number]) => places.get(number) ?? []);
  if (unsummed.length > 0) {
    const all = (await session.query(allReports, [account, ...placeValues(unsummed)])).map(versionIn).reverse();
    for (const [number, own] of Map.groupBy(all, ({ number }) => number)) reports.set(number, own);
  }
  for (const row of messages) {
    const [place, identity, state] = [placeIn(row), identityIn(row), stateIn(row)];
    const recorded = { identity, initial: initial.get(place.number) ?? state, state };
    const block = sealed.get(place.number);
    known.set(identity.messageId, {
      place,
      ...courseIn(recorded, reports.get(place.number) ?? []),
      ...(block !== undefined && { sealed: block }),
    });
  }
  return known;
}

type Version = { readonly number: number; readonly version: number; readonly said: string };

function versionIn([number, version, said]: Row): Version {
  return { number: integer(number), version: integer(version), said: text(said) };
}

/** Newest first: whether they go back to the first one, or to one that tells what those before it come to. */
function isWhole(reports: readonly Version[]): boolean {
  return reports.at(-1)?.version === 1 || reports.some(({ said }) => readEvidence(said) !== undefined);
}

function courseIn(
  recorded: Pick<Course, 'identity' | 'initial' | 'state'>,
  newestFirst: readonly Version[],
): Omit<KnownMessage, 'place'> {
  const reports = newestFirst.toReversed();
  const summing = reports.findLastIndex(({ said }) => readEvidence(said) !== undefined);
  const { said: summary, version = 0 } = reports[summing] ?? {};
  const evidence = summary === undefined ? undefined : readEvidence(summary);
  const said = reports.map(report => readReport(report.said));
  const later = said.slice(summing + 1);
  const past = { reports: version, evidence: evidence ?? evidenceOf(recorded.initial) };
  const course = courseOf(recorded, later, past);
  return { course: { ...course, recent: said.slice(-limits.repeatsSoughtMax) }, unsummed: later.length };
}
