import Type, { type Static, type TProperties } from 'typebox';

const count = (description: string) => Type.Integer({ minimum: 0, description });
const list = <P extends TProperties>(item: P, description: string) =>
  Type.Optional(Type.Array(Type.Object(item), { description }));
const until = Type.String({ description: 'When it goes on, in UTC.' });

const detailsSchema = Type.Object(
  {
    damaged: Type.Array(Type.Object({ name: Type.String(), reason: Type.String() })),
    lostAccounts: Type.Optional(Type.Array(Type.Integer(), { description: 'The first of them by their ids.' })),
    away: list({ name: Type.String(), accounts: Type.Optional(count('Accounts that it holds up.')) }, 'By name.'),
    heldSweep: Type.Optional(
      Type.Object({
        leapMs: Type.Number({ description: 'By how much the clock is ahead of what it should say.' }),
        past: count('Messages that it would drop.'),
        all: count('Of so many.'),
        until,
      }),
    ),
    pausedSenders: list({ sender: Type.String(), reason: Type.String() }, 'By their ids, and why.'),
    mirrorsBehind: list({ mirror: Type.String(), reason: Type.String() }, 'By their names, and why.'),
    outbox: Type.Optional(
      Type.Object(
        {
          scheduled: count('Not due yet.'),
          queued: count('Due.'),
          claimed: count('Being sent.'),
          unknown: count('Of which nobody knows whether they were sent.'),
          parkedEvents: count('Events of webhooks on messages that are not known yet.'),
        },
        { description: 'Messages that are on their way.' },
      ),
    ),
  },
  { title: 'HealthDetails', description: 'Only with a token of `SENTLOG_METRICS_TOKEN`, as `Authorization: Bearer`.' },
);

/** The answer of `/health/ready`. */
export const healthSchema = Type.Object(
  {
    status: Type.Literal('ready'),
    damaged: count('Parts of the log that were set aside since they are damaged.'),
    lostAccounts: Type.Optional(
      count('Accounts that the log, mirrors or senders have, and that are not there; absent where there are none.'),
    ),
    away: Type.Optional(count('Parts of the log that cannot be served now.')),
    pausedSenders: Type.Optional(count('Pages that cannot send now; absent where nothing is sent.')),
    mirrorsBehind: Type.Optional(
      count('Mirrors that are paused, have no answer, or cannot follow all in time; absent where there is no mirror.'),
    ),
    heldSweep: Type.Optional(
      Type.Object(
        { until },
        { description: 'A sweep waits, since the clock leapt and it would drop much of the log.' },
      ),
    ),
    details: Type.Optional(detailsSchema),
  },
  { title: 'Health' },
);

export const livenessSchema = Type.Object({ status: Type.Literal('live') }, { title: 'Liveness' });

export type Health = Static<typeof healthSchema>;
export type HealthDetails = Static<typeof detailsSchema>;
