import { finished } from 'node:stream';
import type { Binding } from '../../domain/message.ts';
import type { ReportsQuery } from '../../domain/outgoing.ts';
import type { Report } from '../../outbox/reporting.ts';
import { parseReportsQuery } from '../../wire/query/reports-query.ts';
import { deliveryReportsJson } from '../../wire/text/report-text.ts';
import type { ReportDesk } from '../parts.ts';
import { type Call, type Route, rawQuery, sound } from '../route.ts';

/** `GET /messenger/1/reports`: each report is given once. */
export function reportsRoute(reports: ReportDesk): Route {
  return {
    method: 'GET',
    path: '/messenger/1/reports',
    access: { scope: 'messenger:message:send', budget: 'reads' },
    answer: (call: Call) => answer(call, reports),
  };
}

async function answer({ principal, request, reply }: Call, reports: ReportDesk): Promise<string> {
  const query = sound(parseReportsQuery(rawQuery(request)));
  const asked = within(query, principal.binding);
  if (asked === undefined) return deliveryReportsJson([]);
  const taken = await reports.take({ account: principal.account.id, ...asked });
  const ids = taken.map(one => one.id);
  if (ids.length > 0)
    // Also where the caller had gone before.
    finished(reply.raw, () => {
      // What did not leave as a whole nobody was given.
      const isGiven = reply.raw.writableFinished && reply.raw.statusCode === 200 && request.method === 'GET';
      if (isGiven) reports.given(ids);
      else reports.giveBack(ids);
    });
  return deliveryReportsJson(taken.filter(isDelivery));
}

const isDelivery = (report: Report) => report.kind === 'delivery';

/** A bound key gets only its own application's or entity's; `undefined` when it asks for another's. */
function within(query: ReportsQuery, binding: Binding): ReportsQuery | undefined {
  for (const name of ['entityId', 'applicationId'] as const)
    if (binding[name] !== undefined && query[name] !== undefined && query[name] !== binding[name]) return undefined;
  return { ...query, ...binding };
}
