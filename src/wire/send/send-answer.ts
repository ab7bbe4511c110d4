import type { Status } from '../../domain/registry.ts';
import { Slices } from '../../slices.ts';

/** What became of one message of a request to send, at once. */
export type Accepted = { readonly messageId: string; readonly destination: string; readonly status: Status };

/** The answer to a request to send, as the vendor's. Gives way in between: it may have ten thousand messages. */
export async function sendAnswer(bulkId: string, accepted: readonly Accepted[]): Promise<string> {
  const texts: string[] = [];
  const slices = new Slices();
  for (const { messageId, destination, status } of accepted) {
    const { groupId, groupName, id, name, description, action } = status;
    const shown = { groupId, groupName, id, name, description, action };
    texts.push(JSON.stringify({ messageId, status: shown, destination, details: {} }));
    const pause = slices.pause();
    if (pause !== undefined) await pause;
  }
  return `{"bulkId":${JSON.stringify(bulkId)},"messages":[${texts.join()}]}`;
}
