import type { Command } from 'commander';
import type { AnsweredPage, Log, SentlogClient } from '../../client/index.ts';
import { limits } from '../../limits.ts';
import { elementSources, fieldSource } from '../../wire/json-source.ts';
import { clientOf, clientOptions } from '../client.ts';
import { count, filterOf, filterOptions, jsonOption, wholeNumber } from '../flags.ts';
import { inGroupColour } from '../style.ts';
import { type Column, tableText } from '../table.ts';
import { jsonLine, print } from '../terminal.ts';

const columns: readonly Column<Log>[] = [
  // First, so that a narrow terminal leaves out what the id leads to and not the id.
  ['MESSAGE ID', log => log.messageId],
  ['SENT AT', log => log.sentAt, undefined, log => log.sentAt.replace(/\.\d+\+0000$/, 'Z')],
  ['STATUS', log => log.status.name, (text, log) => inGroupColour(text, log.status.groupName)],
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
    const isTable = process.stdout.isTTY && flags.json !== true;
    let left = most;
    for await (const { results, text, searchedSince } of pages(clientOf(command), filterOf(flags), most)) {
      // Where messages are looked through for words, a part of the log may have none.
      if (results.length === 0 && (searchedSince !== undefined || left < most)) continue;
      if (isTable) await print(await tableText(results.slice(0, left), columns));
      else await print(linesOf(text).slice(0, left).join(''));
      left -= results.length;
      if (left <= 0) return;
    }
  });
}

/** What is asked for, in parts as large as the API's pages, as they are answered. */
async function* pages(
  client: SentlogClient,
  filter: ReturnType<typeof filterOf>,
  most: number,
): AsyncGenerator<AnsweredPage, void, undefined> {
  const limit = Math.min(most, limits.pageLogsMax);
  const isText = filter.text !== undefined || filter.not?.text !== undefined;
  if (most <= limit && !isText) yield await client.logsPage({ ...filter, limit });
  else yield* client.allPages({ ...filter, limit });
}

/** The logs of a page as the server wrote them: only a line break between its parts would be the end of a line. */
function linesOf(page: string): readonly string[] {
  const logs = elementSources(fieldSource(page, 'results').text);
  return logs.map(({ text }) => jsonLine(text));
}
