import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import Type from 'typebox';
import { loadClientConfig } from '../../config.ts';
import { limits } from '../../limits.ts';
import { checkMirror, type Difference } from '../../mirror/check/check.ts';
import { checkedRange, checkGoing, turnOf } from '../../mirror/check/checks.ts';
import { askLog } from '../../mirror/check/log-client.ts';
import type { Mirror } from '../../mirror/rows.ts';
import { describeError, errorBytesMax, textOf } from '../../mirror/upstream.ts';
import { formatDateTime } from '../../wire/date-time.ts';
import { present } from '../../wire/present.ts';
import { checkOf } from '../../wire/schema-check.ts';
import { clientOptions } from '../client.ts';
import { count, durationFlag, sourcesOf, wholeNumber } from '../flags.ts';
import { named, withMirrors } from '../place/mirror-places.ts';
import { type Column, printRows } from '../table.ts';
import { CommandError, note } from '../terminal.ts';

export function addCheck(mirrors: Command): void {
  const check = clientOptions(named(mirrors.command('check')))
    .description(
      'Ask both sides the same questions, and show every difference; exit code 1 when there is one. --key is of the ' +
        'account here, whose server is at --url.',
    )
    .option('--hours <number>', 'how far back to look (default: as far as both sides go)', wholeNumber)
    .option(
      '--within <duration>',
      'compare the newest first, as far as so long suffices (default 1h); what differs is then asked for again for some minutes',
      durationFlag,
    );
  withMirrors(check, async ({ mirrors, rows, accounts }, name) => {
    const mirror = checkGoing(await mirrors.mirror(name));
    const { url, key } = loadClientConfig(sourcesOf(check));
    if (key === undefined) throw new CommandError('a key is needed: --key, or the variable SENTLOG_KEY');
    const theirKey = mirrors.key(mirror);
    const terms = await termsOf(url, key);
    checkCaller(terms, mirror, (await accounts.names()).get(mirror.account));
    const retentionMs = (terms.logsRetention ?? terms.retention) * 1000;
    const hours = count(check.opts(), 'hours');
    const range = await checkedRange(mirror, rows, { clock: Date.now, retentionMs, ...present({ hours }) });
    note(`comparing what was sent from ${formatDateTime(range.from)} to ${formatDateTime(range.until)}`);
    for (const part of range.leftOut) note(`left out: ${part}`);
    const found: Difference[] = [];
    const end = Date.now() + (count(check.opts(), 'within') ?? limits.checkMs);
    const made = await checkMirror({
      ...range,
      end,
      progress: sparingly(note),
      theirs: askLog({
        name: mirror.from,
        url: mirror.from,
        key: theirKey,
        fetch,
        wait: setTimeout,
        turn: () => turnOf(mirror, rows, Date.now, setTimeout),
      }),
      ours: askLog({ name: url, url, key, fetch, wait: setTimeout }),
      clock: Date.now,
      wait: setTimeout,
      found: one => found.push(one),
    });
    await rows.checked(mirror.id, made);
    if (made.from > range.from)
      note(`left out: what was sent before ${formatDateTime(made.from)}: there was no time for it (--within)`);
    if (found.length > 0) await printRows(found.map(shownDifference), differenceColumns);
    note(`${made.messages} messages compared by ${made.questions} questions: ${made.differences} differences`);
    if (made.differences > 0) process.exitCode = 1;
  });
}

/** Once in a few seconds; what begins another part is told at once. */
function sparingly(tell: (words: string) => void): (words: string) => void {
  let [toldAt, told] = [Number.NEGATIVE_INFINITY, ''];
  return words => {
    const isOther = words.replace(/\d.*/, '') !== told.replace(/\d.*/, '');
    const now = performance.now();
    if (!isOther && now - toldAt < progressEveryMs) return;
    [toldAt, told] = [now, words];
    tell(words);
  };
}

const progressEveryMs = 5000;

const termsSchema = Type.Object({
  /** Whose the key is. */
  account: Type.String(),
  /** Whether the key sees a part of the account alone. */
  isBound: Type.Optional(Type.Boolean()),
  /** How far back the account's log goes, and how far `GET /messenger/1/logs` does, in seconds. */
  retention: Type.Number(),
  logsRetention: Type.Optional(Type.Number()),
});
const termsChecker = checkOf(termsSchema);

/** What a server shows to whoever has a key. */
async function termsOf(url: string, key: string): Promise<Type.Static<typeof termsSchema>> {
  let status: number;
  let body: string;
  try {
    const signal = AbortSignal.timeout(limits.upstreamAnswerMs);
    const answer = await fetch(`${url}/page/pass`, {
      method: 'POST',
      headers: { authorization: `App ${key}`, accept: 'application/json' },
      redirect: 'manual',
      signal,
    });
    status = answer.status;
    body = await textOf(answer, errorBytesMax);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new CommandError(`no answer from ${url}: ${cause}`, { cause: error });
  }
  if (status !== 200) throw new CommandError(`${url} refuses to answer: ${status} ${describeError(body)}`.trim());
  const terms = termsIn(body);
  if (terms === undefined) throw new CommandError(`${url} does not answer as a sentlog server does`);
  return terms;
}

function termsIn(body: string): Type.Static<typeof termsSchema> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return termsChecker.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What a key does not show would be told as missing. */
function checkCaller({ account, isBound }: Type.Static<typeof termsSchema>, mirror: Mirror, keptIn?: string): void {
  if (account !== keptIn)
    throw new CommandError(
      `the key is of the account "${account}"; the mirror "${mirror.name}" is kept in "${keptIn ?? ''}"`,
    );
  if (isBound === true)
    throw new CommandError('the key sees a part of the account alone: a check needs one that is not bound');
}

const differenceColumns: readonly Column<ReturnType<typeof shownDifference>>[] = [
  ['MESSAGE ID', row => row.messageId],
  ['FIELD', row => row.field],
  ['THERE', row => row.theirs],
  ['HERE', row => row.ours],
];

function shownDifference({ messageId, field, theirs, ours }: Difference) {
  const shown = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value));
  return { messageId, field, theirs: shown(theirs), ours: shown(ours) };
}
