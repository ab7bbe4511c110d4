import { LRUCache } from 'lru-cache';
import type { AccountId } from '../domain/message.ts';
import type { GraphAnswer } from '../graph/outcomes.ts';
import { limits } from '../limits.ts';
import type { Carrier } from '../sender/carrier.ts';
import type { CallReports } from '../sender/report-caller.ts';
import type { Store } from '../store/store.ts';
import type { Attributes, Outcome, TracePlace, Tracing } from '../tracing.ts';

const mirroredLog = '/messenger/1/logs';

/** A store whose calls are told of, with how much each was asked for. */
export function tracedStore(store: Store, tracing: Tracing): Store {
  const within = <T>(name: string, attributes: Attributes, work: () => Promise<T>) =>
    tracing.within({ name: `store ${name}`, attributes }, work);
  return {
    batchRecords: store.batchRecords,
    record: batch => within('record', { 'sentlog.records': batch.submissions.length }, () => store.record(batch)),
    find: query => within('find', { 'sentlog.limit': query.limit }, () => store.find(query)),
    render: (query, ...how) => within('find', { 'sentlog.limit': query.limit }, () => store.render(query, ...how)),
    history: (...asked) => within('history', {}, () => store.history(...asked)),
    summarize: (query, ...how) =>
      within('summary', { 'sentlog.by': query.by?.join() ?? '' }, () => store.summarize(query, ...how)),
    // Those who follow ask all the time, for nobody in particular; the rest is upkeep.
    changes: query => store.changes(query),
    watch: (account, wake) => store.watch(account, wake),
    stats: () => store.stats(),
    dropBefore: (sentAt, own) => store.dropBefore(sentAt, own),
    wouldDrop: (...asked) => store.wouldDrop(...asked),
    accounts: () => store.accounts(),
    close: () => store.close(),
  };
}

/**
 * Calls of the log at the other side of mirrors, which is told what they are part of. Which server that is is told of, and
 * what is called by its name alone: an address may have a customer or a secret before it.
 */
export function tracedFetch(call: typeof fetch, tracing: Tracing): typeof fetch {
  return (input, init) => {
    const { hostname, port, protocol } = new URL(input instanceof Request ? input.url : input);
    const method = init?.method ?? 'GET';
    const attributes = {
      'http.request.method': method,
      'server.address': hostname,
      'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
      'url.template': mirroredLog,
    };
    const work = () => {
      const headers = new Headers(init?.headers);
      for (const [name, value] of Object.entries(tracing.headers())) headers.set(name, value);
      return call(input, { ...init, headers });
    };
    return tracing.within({ name: `${method} ${mirroredLog}`, kind: 'client', attributes }, work, ({ status }) =>
      answered(status),
    );
  };
}

/**
 * A carrier whose sends are told of, each for itself: one begins when it may, not when it was asked for. What asked for it
 * is linked, where this process was asked and no more than `limits.tracedMessagesMax` have come since.
 */
export function tracedCarrier(carrier: Carrier, tracing: Tracing): Carrier {
  const places = new LRUCache<string, TracePlace>({ max: limits.tracedMessagesMax });
  const nameOf = (account: AccountId, messageId: string) => `${account} ${messageId}`;
  const attributes = { 'http.request.method': 'POST', 'url.template': '/{page}/messages' };
  const part = { name: 'POST /{page}/messages', kind: 'client', isApart: true, attributes } as const;
  return {
    outlivesProcess: carrier.outlivesProcess,
    asked: (account, messages) => {
      const place = tracing.place();
      if (place !== undefined) for (const { messageId } of messages) places.set(nameOf(account, messageId), place);
    },
    send: (account, page, body) => {
      const messageId = body.message?.metadata;
      const asked = typeof messageId === 'string' ? places.get(nameOf(account, messageId)) : undefined;
      return tracing.within(
        { ...part, ...(asked !== undefined && { asked }) },
        () => carrier.send(account, page, body),
        sent,
      );
    },
    ...(carrier.giveUp !== undefined && { giveUp: () => carrier.giveUp?.() }),
  };
}

function sent(answer: GraphAnswer): Outcome {
  return answer.kind === 'response' ? answered(answer.httpStatus) : { failure: answer.kind };
}

/** Whom a report goes to is theirs to know: neither its address is told, nor is it told what the call is part of. */
export function tracedReports(call: CallReports, tracing: Tracing): CallReports {
  const part = { name: 'push reports', kind: 'client', isApart: true } as const;
  return report =>
    tracing.within(
      part,
      () => call(report),
      failure => (failure === undefined ? {} : { failure: kindOf(failure) }),
    );
}

/** Its words may name the receiver. */
function kindOf(failure: string): string {
  return /^HTTP (\d{3})$/.exec(failure)?.[1] ?? 'unreachable';
}

function answered(status: number): Outcome {
  return {
    attributes: { 'http.response.status_code': status },
    ...(status >= 400 && { failure: String(status) }),
  };
}
