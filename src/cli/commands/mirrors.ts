import type { Command } from 'commander';
import { behindOf, figuresOf, type MirrorFigures, shownSpan } from '../../mirror/figures.ts';
import { type Mirrors, requestsPerMinuteDefault } from '../../mirror/mirrors.ts';
import type { Check, Mirror } from '../../mirror/rows.ts';
import { subscribe, unsubscribe } from '../../mirror/subscriptions.ts';
import { count, durationFlag, secretIn, text, wholeNumber } from '../flags.ts';
import { named, withMirrors } from '../place/mirror-places.ts';
import { shown as shownText } from '../style.ts';
import { type Column, printRows } from '../table.ts';
import { note, print } from '../terminal.ts';
import { addCheck } from './mirror-check.ts';

const date = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

export function addMirrors(program: Command): void {
  const mirrors = program
    .command('mirrors')
    .description("Other Messenger logs, such as Infobip's, that are kept here: a running server reads them.");
  addOne(mirrors);
  addList(mirrors);
  addStatus(mirrors);

  const pause = named(mirrors.command('pause')).description('Let a mirror rest; it goes on where it was.');
  withMirrors(pause, async ({ mirrors }, name) => {
    await mirrors.pause(name, 'paused by command');
    note(`paused mirror ${name}`);
  });

  const resume = named(mirrors.command('resume'))
    .description('Let a mirror go on.')
    .option('--key-file <file>', 'with another key to the other log, such as when the old one was revoked');
  withMirrors(resume, async ({ mirrors }, name) => {
    const file = text(resume.opts(), 'keyFile');
    await mirrors.resume(name, file === undefined ? undefined : await secretIn('--key-file', file));
    note(`mirror ${name} goes on`);
  });

  addCheck(mirrors);
  addWebhooks(mirrors);

  const remove = named(mirrors.command('remove')).description('Remove a mirror; what it kept stays in the log.');
  withMirrors(remove, async ({ mirrors }, name) => {
    await mirrors.remove(name);
    note(`removed mirror ${name}`);
  });
}

function addOne(mirrors: Command): void {
  const add = mirrors
    .command('add')
    .description('Keep another Messenger log here. Its key is kept encrypted under SENTLOG_SECRET.')
    .requiredOption('--account <name>', 'account here that keeps it')
    .requiredOption('--from <address>', 'where it is: https://xyz.api.infobip.com')
    .requiredOption('--key-file <file>', 'file with the API key to it (messenger:logs:read); - for standard input')
    .option('--name <name>', 'what the mirror is called; the name of the account when not given')
    .option(
      '--requests-per-minute <number>',
      `at most, of the 120 that all programs of that account share (default ${requestsPerMinuteDefault})`,
      wholeNumber,
    )
    .option('--since <duration>', 'how far back it reads at first (default 48h, which is all there is)', durationFlag);
  withMirrors(add, async ({ mirrors, accounts }) => {
    const flags = add.opts();
    const accountName = text(flags, 'account') ?? '';
    const [requestsPerMinute, sinceMs] = [count(flags, 'requestsPerMinute'), count(flags, 'since')];
    const made = await mirrors.add({
      name: text(flags, 'name') ?? accountName,
      account: (await accounts.account(accountName)).id,
      from: text(flags, 'from') ?? '',
      key: await secretIn('--key-file', text(flags, 'keyFile') ?? ''),
      ...(requestsPerMinute !== undefined && { requestsPerMinute }),
      ...(sinceMs !== undefined && { sinceMs }),
    });
    note(`made mirror ${made.name}: a running server begins to read ${made.from} within seconds`);
  });
}

function addWebhooks(mirrors: Command): void {
  const url = ['--url <address>', 'of this server, as the other side reaches it: https://log.example.com'] as const;
  const target = async (opened: Mirrors, name: string) => {
    const mirror = await opened.mirror(name);
    return { from: mirror.from, key: opened.key(mirror), name, fetch };
  };

  const subscribing = named(mirrors.command('subscribe'))
    .description('Have the other side tell of its messages by webhook, so that changes show within a second.')
    .requiredOption(...url);
  withMirrors(subscribing, async ({ mirrors }, name) => {
    const at = await target(mirrors, name);
    await subscribe(at, mirrors.webhook(name, text(subscribing.opts(), 'url') ?? ''));
    note(`${at.from} sends its delivery and seen reports to this log`);
  });

  const unsubscribing = named(mirrors.command('unsubscribe')).description('Take the subscription back.');
  withMirrors(unsubscribing, async ({ mirrors }, name) => {
    const at = await target(mirrors, name);
    note((await unsubscribe(at)) ? `${at.from} sends no more reports to this log` : 'there was no subscription');
  });

  const webhook = named(mirrors.command('webhook'))
    .description('Print where the webhooks of a mirror arrive and what proves them, to set them up by hand.')
    .requiredOption(...url);
  withMirrors(webhook, async ({ mirrors }, name) => {
    await mirrors.mirror(name);
    await print(`${JSON.stringify(mirrors.webhook(name, text(webhook.opts(), 'url') ?? ''))}\n`);
  });
}

function addList(mirrors: Command): void {
  const list = mirrors.command('list').description('Show the mirrors, without their keys.');
  const columns: readonly Column<ReturnType<typeof shownMirror>>[] = [
    ['NAME', row => row.name],
    ['ACCOUNT', row => row.account],
    ['FROM', row => row.from],
    ['A MINUTE', row => row.requestsPerMinute],
    ['CREATED', row => minuteOf(row.createdAt)],
  ];
  withMirrors(list, async ({ mirrors, accounts }) => {
    const names = await accounts.names();
    const rows = (await mirrors.list()).map(one => shownMirror(one, names));
    await printRows(rows, columns);
    await tell(rows.flatMap(({ name, paused }) => (paused === undefined ? [] : [`${name} is paused: ${paused}`])));
  });
}

function addStatus(mirrors: Command): void {
  const status = mirrors
    .command('status')
    .description('Show how far each mirror is, and what is missing.')
    .argument('[name]');
  const columns: readonly Column<ReturnType<typeof shownFigures>>[] = [
    ['NAME', row => row.name],
    ['STATE', row => row.state],
    ['LAG', row => (row.lagSeconds === undefined ? undefined : `${row.lagSeconds} s`)],
    ['STATUSES', row => (row.statusLagSeconds === undefined ? undefined : shownSpan(row.statusLagSeconds * 1000))],
    ['REQUESTS', row => `${row.requestsUsed}/${row.requestsUsed + row.requestsLeft}`],
    ['PENDING', row => row.pending],
    ['RECORDED', row => row.recorded],
  ];
  withMirrors(status, async ({ mirrors, rows }, name) => {
    const asked = name === '' ? await mirrors.list() : [await mirrors.mirror(name)];
    const shown: ReturnType<typeof shownFigures>[] = [];
    for (const mirror of asked) {
      const terms = { ...mirror, retentionMs: Number.POSITIVE_INFINITY };
      const hindrance = mirrors.hasSecrets ? mirrors.flawOfKey(mirror) : undefined;
      shown.push(shownFigures(await figuresOf(mirror, rows, Date.now(), terms, hindrance)));
    }
    await printRows(shown, columns);
    await tell(shown.flatMap(linesOf));
  });
}

/** What no cell has room for. */
function linesOf({
  name,
  state,
  reason,
  restsUntil,
  behind,
  unreadSince,
  gaps,
  lastCheck,
}: ReturnType<typeof shownFigures>): readonly string[] {
  return [
    ...(reason === undefined
      ? []
      : [`${name} is ${state}: ${reason}${restsUntil === undefined ? '' : `; it asks again at ${restsUntil}`}`]),
    ...(reason !== undefined || behind === undefined ? [] : [`${name} is behind: ${behind}`]),
    ...(unreadSince === undefined ? [] : [`${name} still reads back to ${unreadSince}`]),
    ...gaps.map(gap => `${name} lacks ${gap.from} to ${gap.until}: ${gap.reason}`),
    ...(lastCheck === undefined ? [] : [`${name} was checked ${lastCheck.at}: ${lastCheck.differences} differences`]),
  ];
}

/** Lines under a table, which only a terminal gets: what they say stands in the objects that others get. */
async function tell(lines: readonly string[]): Promise<void> {
  if (process.stdout.isTTY) await print(lines.map(line => `${shownText(line)}\n`).join(''));
}

/** `2026-02-22T17:42Z`: as much as a cell has room for. */
const minuteOf = (moment: string | undefined) => moment && `${moment.slice(0, 16)}Z`;

function shownMirror(
  { id: _, sealedKey: __, lastCheck: ___, pause, createdAt, sinceMs, account, ...mirror }: Mirror,
  names: ReadonlyMap<number, string>,
) {
  return {
    ...mirror,
    account: names.get(account),
    sinceHours: sinceMs / 3_600_000,
    createdAt: date(createdAt),
    paused: pause && `${pause.reason} (${date(pause.at)})`,
  };
}

const secondsOf = (ms: number | undefined) => (ms === undefined ? undefined : Math.round(ms / 1000));

function shownFigures(figures: MirrorFigures) {
  const { mirror, lagMs, statusLagMs, newestSentAt, unreadSince, followed, gaps, ...others } = figures;
  return {
    name: mirror.name,
    ...others,
    lagSeconds: secondsOf(lagMs),
    statusLagSeconds: secondsOf(statusLagMs),
    behind: behindOf(figures),
    newestSentAt: date(newestSentAt),
    unreadSince: date(unreadSince),
    answeredAt: date(figures.answeredAt),
    restsUntil: date(figures.restsUntil),
    pending: followed,
    lastCheck: shownCheck(mirror.lastCheck),
    gaps: gaps.map(gap => ({ from: date(gap.from), until: date(gap.until), reason: gap.reason })),
  };
}

function shownCheck(check: Check | undefined) {
  return check && { ...check, at: date(check.at), from: date(check.from), until: date(check.until) };
}
