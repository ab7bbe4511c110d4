import type { Command } from 'commander';
import { readMessage } from '../../client/answers.ts';
import { type Message, SentlogError } from '../../client/index.ts';
import { fieldSource } from '../../wire/json-source.ts';
import { clientOf, clientOptions } from '../client.ts';
import { jsonOption } from '../flags.ts';
import { type Cell, faint, inGroupColour, shown, statusWord } from '../style.ts';
import { tableText } from '../table.ts';
import { CommandError, jsonLine, print } from '../terminal.ts';

export function addMessage(program: Command): void {
  const command = program
    .command('message')
    .description('Show one message of a running server, and what became of it: every status with its times.')
    .argument('<id>', 'its messageId');
  clientOptions(jsonOption(command)).action(async (id: string) => {
    const text = await clientOf(command)
      .messageText(id)
      .catch(error => {
        if (error instanceof RangeError)
          throw new CommandError(
            `${error.message}: \`sentlog query --message-id ${id}\` shows the message without its timeline`,
            {
              cause: error,
            },
          );
        if (!(error instanceof SentlogError && error.status === 404)) throw error;
        throw new CommandError(`there is no message ${JSON.stringify(id)}, or none that this key may see`, {
          cause: error,
        });
      });
    const isJson = command.opts().json === true || !process.stdout.isTTY;
    await print(isJson ? jsonLine(text) : await page(readMessage(text), fieldSource(text, 'content').text));
  });
}

/** The message field by field, then its timeline, for a person. */
async function page(message: Message, content: string): Promise<string> {
  const { price, error, platform } = message;
  const fields: readonly (readonly [name: string, value: Cell])[] = [
    ['message id', message.messageId],
    ['bulk id', message.bulkId],
    ['sender', message.sender],
    ['destination', message.destination],
    ['sent at', message.sentAt],
    ['done at', message.doneAt],
    ['seen at', message.seenAt],
    ['status', `${message.status.name}: ${message.status.description}`],
    ['error', error.groupName === 'OK' ? undefined : `${error.name}: ${error.description}`],
    ['price', price && `${price.pricePerMessage} ${price.currency} × ${message.messageCount}`],
    ['entity', platform?.entityId],
    ['application', platform?.applicationId],
    ['campaign', message.campaignReferenceId],
    ['content', content],
  ];
  const width = Math.max(...fields.map(([name]) => name.length));
  const lines = fields
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${faint(name.padEnd(width))}  ${shown(value)}\n`);
  const timeline = await tableText(message.timeline, [
    ['AT', entry => entry.at],
    ['STATUS', entry => entry.status.name, (text, entry) => inGroupColour(text, entry.status.groupName)],
    ['RECEIVED AT', entry => entry.receivedAt],
    ['ERROR', entry => (entry.error.groupName === 'OK' ? undefined : entry.error.name)],
  ]);
  return `${statusWord(message.status)}\n${lines.join('')}\n${timeline}`;
}
