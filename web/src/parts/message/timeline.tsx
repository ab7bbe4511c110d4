import type { Message, TimelineEntry } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { clearMomentText, codeName, durationText, errorWords, inert, momentText, msOf } from '../../view/format.ts';
import { isUnderWay } from '../../view/view.ts';
import type { Zone } from '../../view/zone.ts';
import { groupClass, StatusWord } from './status-word.tsx';

/** Reports that came this much after what they report are late. */
const lateMs = 2000;

/** Every status of a message, in the order they happened. */
export function Timeline({ message }: { readonly message: Message }) {
  const { zone } = usePage().view;
  const entries = message.timeline.toSorted((a, b) => msOf(a.at) - msOf(b.at));
  return (
    <ol className="timeline">
      <li>
        <time dateTime={message.sentAt}>{clearMomentText(message.sentAt, zone)}</time>
        <p>Sent</p>
      </li>
      {entries.map((entry, index) => (
        <li
          key={`${entry.at} ${entry.receivedAt} ${index.toString()}`}
          className={`step-${groupClass(entry.status.groupName)}`}
        >
          <time dateTime={entry.at}>{clearMomentText(entry.at, zone)}</time>
          <p>
            <StatusWord status={entry.status} /> <span className="code">{inert(codeName(entry.status))}</span>
          </p>
          {entry.error.id !== 0 && (
            <p>
              {errorWords(codeName(entry.error))} <span className="code">{inert(codeName(entry.error))}</span>
            </p>
          )}
          <p className="quiet">{distances(entry, message)}</p>
          <p className="quiet">
            report came <time dateTime={entry.receivedAt}>{cameText(entry, zone)}</time>
          </p>
        </li>
      ))}
      {message.omitted !== undefined && (
        <li>
          <p className="quiet">{message.omitted} more reports, between the first and the newest, are not shown</p>
        </li>
      )}
      {message.seenAt !== undefined && (
        <li>
          <time dateTime={message.seenAt}>{clearMomentText(message.seenAt, zone)}</time>
          <p>Seen by the recipient</p>
        </li>
      )}
    </ol>
  );
}

function distances({ at, status }: TimelineEntry, { sentAt, doneAt }: Message): string {
  const ms = msOf(at) - msOf(sentAt);
  if (ms > 0) return `${durationText(ms)} after sending`;
  if (ms < 0) return 'before it was sent, by its own clock';
  // What came with its message, and without a time, has that of the message.
  return isUnderWay(status) || doneAt !== undefined ? 'at once' : 'at a time that was not reported';
}

/** When it was known here: the day only where it is another one. */
function cameText({ at, receivedAt }: TimelineEntry, zone: Zone): string {
  const [happened, came] = [momentText(at, zone), momentText(receivedAt, zone)];
  const shown = happened.slice(0, 10) === came.slice(0, 10) ? came.slice(11) : came;
  const lagMs = msOf(receivedAt) - msOf(at);
  return lagMs >= lateMs ? `${shown}, ${durationText(lagMs)} later` : shown;
}
