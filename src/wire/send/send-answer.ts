import type { Status } from '../../domain/registry.ts';

/** What became of one message of a request to send, at once. */
export type Accepted = { readonly messageId: string; readonly destination: string; readonly status: Status };

/** The answer to a request to send, as the vendor's. */
export function sendAnswer(bulkId: string, accepted: readonly Accepted[]): string {
  const messages = accepted.map(({ messageId, destination, status }) => {
    const { groupId, groupName, id, name, description, action } = status;
    return { messageId, status: { groupId, groupName, id, name, description, action }, destination, details: {} };
  });
  return JSON.stringify({ bulkId, messages });
}
