import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { readMessage } from '../../../../src/client/answers.ts';
import type { Message, Status } from '../../../../src/client/index.ts';
import { SentlogError } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import {
  clearMomentText,
  codeName,
  deliveryMs,
  durationText,
  errorWords,
  inert,
  msOf,
  tookText,
  wordsOf,
} from '../../view/format.ts';
import { priceText } from '../../view/money.ts';
import { countedAs, errorSought, type Field, isUnderWay } from '../../view/view.ts';
import { zonePlace } from '../../view/zone.ts';
import { Narrow, NarrowTime } from '../forms/narrow.tsx';
import { useNarrow } from '../forms/use-screen.ts';
import { ContentView } from './content-view.tsx';
import { Copies } from './copies.tsx';
import { Same } from './same.tsx';
import { groupClass, StatusWord } from './status-word.tsx';
import { Timeline } from './timeline.tsx';

/** One message, with everything that is known of it. */
export function Drawer() {
  const { view } = usePage();
  return view.open === undefined ? null : <OpenDrawer key="drawer" messageId={view.open} />;
}

function OpenDrawer({ messageId }: { readonly messageId: string }) {
  const { api, change } = usePage();
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['message', messageId],
    queryFn: async ({ signal }) => {
      const source = await api.client.messageText(messageId, { signal });
      return { source, message: readMessage(source) };
    },
    gcTime: 0,
  });
  const heading = useRef<HTMLHeadingElement>(null);
  const narrow = useNarrow();
  useEffect(() => {
    // It covers the page then, and whoever goes on by keyboard or by ear should be in it.
    if (narrow) heading.current?.focus();
  }, [narrow]);
  const close = () => change(view => ({ ...view, open: undefined }));
  const closeRef = useRef(close);
  closeRef.current = close;
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || document.querySelector('dialog[open]') !== null) return;
      if (event.target instanceof Element && event.target.closest('.search') !== null) return;
      closeRef.current();
      document.getElementById('log')?.focus({ preventScroll: true });
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  return (
    <aside className="drawer" aria-label="Message" aria-busy={isFetching}>
      <header>
        <h2 ref={heading} tabIndex={-1}>
          {inert(messageId)}
        </h2>
        <button type="button" aria-label="Close the message" title="Close (Esc)" onClick={close}>
          ×
        </button>
      </header>
      <div className="drawer-body">
        {data !== undefined && <Details {...data} />}
        {data === undefined && !isFetching && error !== null && <Missing error={error} onRetry={refetch} />}
        {data === undefined && isFetching && <p className="quiet">Loading …</p>}
      </div>
    </aside>
  );
}

function Missing({ error, onRetry }: { readonly error: Error; readonly onRetry: () => void }) {
  const unknown = error instanceof SentlogError && error.status === 404;
  return (
    <div className="table-state" role="alert">
      <p>
        <strong>{unknown ? 'The log has no such message.' : 'The message could not be read.'}</strong>
      </p>
      <p>{unknown ? 'It was never recorded here, or is older than what is kept.' : error.message}</p>
      {!unknown && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** The answer to "what happened to it?", before everything else. */
function Outcome({ message }: { readonly message: Message }) {
  const { status, error } = message;
  return (
    <div className={`outcome outcome-${groupClass(status.groupName)}`}>
      <p>
        <StatusWord status={status} /> <span className="quiet">{endText(message)}</span>
      </p>
      <p>{inert(status.description ?? codeName(status), 1000)}</p>
      {status.action !== undefined && <p className="quiet">{inert(status.action, 1000)}</p>}
      {error.id !== 0 && (
        <p>
          <strong>{errorWords(codeName(error))}</strong>
          {error.permanent === undefined ? '' : error.permanent ? ' (permanent)' : ' (may pass)'}
          {error.description !== undefined && `: ${inert(error.description, 1000)}`}
        </p>
      )}
    </div>
  );
}

/** When it came to its end, as far as that is known. */
function endText(message: Message): string {
  const ms = deliveryMs(message);
  if (ms !== undefined) return ms < 0 ? tookText(ms) : `${tookText(ms)} after sending`;
  // Beside “Delivered” it would be read as a contradiction.
  if (message.status.name === 'DELIVERED_TO_OPERATOR') return 'to the operator; not yet known whether further';
  if (isUnderWay(message.status)) return 'no final report yet';
  const report = message.timeline.findLast(entry => entry.status.id === message.status.id);
  const reportedMs = report === undefined ? 0 : msOf(report.at) - msOf(message.sentAt);
  return reportedMs > 0 ? `reported ${durationText(reportedMs)} after sending` : 'at a time that was not reported';
}

function Details({ message, source }: { readonly message: Message; readonly source: string }) {
  const { view } = usePage();
  return (
    <>
      <Outcome message={message} />
      <Same message={message} />
      <h3>Timeline, {zonePlace(view.zone)} time</h3>
      <Timeline message={message} />
      <h3>Content</h3>
      <ContentView content={message.content} />
      <h3>Message</h3>
      <Facts message={message} />
      <Copies messageId={message.messageId} source={source} />
    </>
  );
}

function Facts({ message }: { readonly message: Message }) {
  const { view, decimals } = usePage();
  const { zone } = view;
  const ms = deliveryMs(message);
  const { status, error } = message;
  const facts: readonly Fact[] = [
    ['Status', statusText(status), 'generalStatus', countedAs(status)],
    ...(error.id === 0 ? [] : [['Error', codeName(error), 'error', errorSought(error)] as const]),
    ['Sender', message.sender, 'sender', message.sender],
    ['Destination', message.destination, 'destination', message.destination],
    ['Bulk', message.bulkId, 'bulkId', message.bulkId],
    ['Campaign', message.campaignReferenceId, 'campaignReferenceId', message.campaignReferenceId],
    ['Application', message.platform?.applicationId, 'applicationId', message.platform?.applicationId],
    ['Entity', message.platform?.entityId, 'entityId', message.platform?.entityId],
    ['Message id', message.messageId, 'messageId', message.messageId],
    ['Done', message.doneAt && clearMomentText(message.doneAt, zone)],
    ['Took', ms === undefined ? undefined : tookText(ms)],
    ['Parts', String(message.messageCount)],
    ['Price', message.price && `${priceText(message.price, decimals)} each`],
  ];
  return (
    <dl className="facts">
      <div>
        <dt>Sent</dt>
        <dd>
          {clearMomentText(message.sentAt, zone)}
          <NarrowTime ms={msOf(message.sentAt)} />
        </dd>
      </div>
      {facts.map(([label, text, field, value]) =>
        text === undefined ? null : (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              {inert(text, 300)}
              {field !== undefined && value !== undefined && <Narrow field={field} value={value} />}
            </dd>
          </div>
        ),
      )}
    </dl>
  );
}

/** What a message has, and what others are filtered by that have it too. */
type Fact = readonly [label: string, text: string | undefined, field?: Field, value?: string | undefined];

/** The group of a status, and what it counts as where the log does not know it. */
function statusText(status: Status): string {
  const [group, counted] = [status.groupName, countedAs(status)];
  return group === counted
    ? wordsOf(counted)
    : `${wordsOf(group ?? codeName(status))}, counted as ${wordsOf(counted).toLowerCase()}`;
}
