import type { Command } from 'commander';
import type { Log, SentlogClient } from '../client/index.ts';
import { limits } from '../limits.ts';
import { clientOf, clientOptions } from './client.ts';
import { count, filterOf, filterOptions, jsonOption, wholeNumber } from './flags.ts';
import { type Cell, tableText } from './table.ts';
import { print } from './terminal.ts';

const columns: readonly (readonly [heading: string, cell: (log: Log) => Cell])[] = [
  // First, so that a narrow terminal cuts off what the id leads to and not the id.
  ['MESSAGE ID', log => log.messageId],
  ['SENT AT', log => log.sentAt],
  ['STATUS', log => log.status.name],
  ['SENDER', log => log.sender],
  ['DESTINATION', log => log.destination],
  ['CONTENT', log => (typeof log.content.text === 'string' ? log.content.text : log.content.type)],
];

export function addQuery(program: Command): void {
  const command = program
    .command('query')
    .description('Show messages of a running server, newest first: a table on a terminal, NDJSON in a pipe.')
    .option('--limit <number>', `how many at most (default ${limits.pageLogsDefault})`, wholeNumber)
    .option('--all', 'all that match, however many');
  clientOptions(jsonOption(filterOptions(command))).action(async () => {
    const flags = command.opts();
    const most = flags.all === true ? Number.POSITIVE_INFINITY : (count(flags, 'limit') ?? limits.pageLogsDefault);
    for await (const page of pages(clientOf(command), filterOf(flags), most)) await show(page, flags.json === true);
  });
}

/** What is asked for, in parts as large as the API's pages. */
async function* pages(
  client: SentlogClient,
  filter: ReturnType<typeof filterOf>,
  most: number,
): AsyncGenerator<readonly Log[], void, undefined> {
  const limit = Math.min(most, limits.pageLogsMax);
  if (most <= limit) {
    yield (await client.logs({ ...filter, limit })).results;
    return;
  }
  let page: Log[] = [];
  let left = most;
  for await (const log of client.allLogs({ ...filter, limit })) {
    page.push(log);
    left--;
    if (page.length >= limit || left === 0) {
      yield page;
      page = [];
    }
    if (left === 0) return;
  }
  yield page;
}

async function show(logs: readonly Log[], isJson: boolean): Promise<void> {
  if (process.stdout.isTTY && !isJson) await print(tableText(logs, columns));
  else await print(logs.map(log => `${JSON.stringify(log)}\n`).join(''));
}
