import type { Command } from 'commander';
import type { Log } from '../../client/index.ts';
import { clientOf, clientOptions } from '../client.ts';
import { filterOf, filterOptions, jsonOption, text } from '../flags.ts';
import { faint, shown, statusWord } from '../style.ts';
import { abortedBySignals, jsonLine, note, print } from '../terminal.ts';

export function addTail(program: Command): void {
  const command = program
    .command('tail')
    .description(
      'Follow a running server: each message that matches when it is recorded, and again when a report changes it. A lost connection is made again, and nothing is missed.',
    )
    .option('--after <id>', 'go on after this event: an earlier run names it when it ends');
  clientOptions(jsonOption(filterOptions(command))).action(async () => {
    const flags = command.opts();
    const isJson = flags.json === true || !process.stdout.isTTY;
    const ending = abortedBySignals();
    let place = text(flags, 'after');
    const client = clientOf(command, Number.POSITIVE_INFINITY);
    try {
      for await (const event of client.stream(filterOf(flags), { lastEventId: place, signal: ending })) {
        if (event.kind === 'log') await print(isJson ? jsonLine(event.text) : lineOf(event.log));
        if (event.kind === 'reset') note('what came meanwhile cannot be told any more: `sentlog query` shows it');
        place = event.id ?? place;
      }
    } catch (error) {
      if (!ending.aborted) throw error;
    }
    if (place !== undefined) note(`to go on from here: --after ${place}`);
  });
}

function lineOf({ sentAt, status, sender, destination, messageId, content }: Log): string {
  const words = typeof content.text === 'string' ? content.text : content.type;
  const path = `${shown(sender)} → ${shown(destination)}`;
  return `${faint(sentAt)}  ${statusWord(status)}  ${path}  ${shown(messageId)}  ${faint(shown(words))}\n`;
}
