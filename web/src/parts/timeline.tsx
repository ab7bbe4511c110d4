import type { Message, TimelineEntry } from '../../../src/client/index.ts';
import { usePage } from '../page-context.ts';
import { durationText, inert, momentText } from '../view/format.ts';
import { StatusWord } from './status-word.tsx';

/** Reports that came this much after what they report are late. */
const lateMs = 2000;

/** Every status of a message, in the order they happened. */
export function Timeline({ message }: { readonly message: Message }) {
  const { utc } = usePage().view;
  const sentMs = Date.parse(message.sentAt);
  const entries = message.timeline.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return (
    <ol className="timeline">
      <li>
        <time dateTime={message.sentAt}>{momentText(message.sentAt, utc)}</time>
        <p>Sent</p>
      </li>
      {entries.map((entry, index) => (
        <li key={`${entry.at} ${entry.receivedAt} ${index.toString()}`}>
          <time dateTime={entry.at}>{momentText(entry.at, utc)}</time>
          <p>
            <StatusWord status={entry.status} /> <span className="code">{inert(entry.status.name)}</span>
          </p>
          {entry.error.id !== 0 && <p className="code">{inert(entry.error.name)}</p>}
          <p className="quiet">{distances(entry, sentMs)}</p>
        </li>
      ))}
      {message.seenAt !== undefined && (
        <li>
          <time dateTime={message.seenAt}>{momentText(message.seenAt, utc)}</time>
          <p>Seen by the recipient</p>
        </li>
      )}
    </ol>
  );
}

function distances(entry: TimelineEntry, sentMs: number): string {
  const atMs = Date.parse(entry.at);
  const lagMs = Date.parse(entry.receivedAt) - atMs;
  const after =
    atMs >= sentMs ? `${durationText(atMs - sentMs)} after sending` : 'before it was sent, by its own clock';
  return lagMs >= lateMs ? `${after}; reported ${durationText(lagMs)} later` : after;
}
