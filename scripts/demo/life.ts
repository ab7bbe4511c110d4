import type { EpochMs } from '../../src/domain/message.ts';
import { type DeliveryError, deliveryErrors, type Status, statuses } from '../../src/domain/registry.ts';
import type { Random } from './random.ts';

/** One thing said of a message after it was sent, and when it was true. */
export type Step = {
  readonly at: EpochMs;
  readonly status?: Status;
  readonly error?: DeliveryError;
  readonly doneAt?: EpochMs;
  readonly seenAt?: EpochMs;
  readonly priced?: boolean;
};

/** What becomes of a message: how it starts, and what is reported of it in the order it happens. */
export type Life = { readonly refusedAs?: Step; readonly steps: readonly Step[] };

function named<T extends { readonly name: string }>(entries: readonly T[], name: string): T {
  const entry = entries.find(one => one.name === name);
  if (entry === undefined) throw new Error(`the registry lacks ${name}`);
  return entry;
}
const status = (name: string) => named(statuses, name);
const error = (name: string) => named(deliveryErrors, name);

/** The errors of chat channels; the registry's others belong to SMS. */
export const chatErrors = deliveryErrors.filter(one => one.id >= 7001 && one.id <= 7281);

const common = [
  'EC_UNKNOWN_USER',
  'EC_BLOCKED_USER',
  'EC_NO_SESSION',
  'EC_TOO_MANY_REQUESTS',
  'EC_MEDIA_HOSTING_ERROR',
  'EC_PROVIDER_INTERNAL_ERROR',
];
const failures = chatErrors.map(one => [common.includes(one.name) ? 12 : 1, one] as const);

/** Where a failure of this kind shows, when it is not the provider that refuses. */
const statusOfFailure = new Map([
  ['EC_PROVIDER_TIMEOUT', status('EXPIRED_DLR_UNKNOWN')],
  ['EC_PROVIDER_DR_ERROR', status('UNDELIVERABLE_NOT_DELIVERED')],
  ['EC_DEVICE_REPRODUCTION_ERROR', status('UNDELIVERABLE_NOT_DELIVERED')],
  ['EC_UNSUPPORTED_DEVICE', status('UNDELIVERABLE_NOT_DELIVERED')],
  ['EC_INTERNAL_ERROR', status('REJECTED_SYSTEM_ERROR')],
  ['EC_CONFIGURATION_ERROR', status('REJECTED_SOURCE')],
  ['EC_SERVICE_NOT_ACTIVATED', status('UNDELIVERABLE_REJECTED_PLATFORM')],
  ['EC_DUPLICATE_REQUEST', status('REJECTED_DUPLICATE_MESSAGE_ID')],
]);

const refusals = [
  [4, status('REJECTED_DESTINATION_BLOCKLISTED'), error('EC_BLACKLISTED_DESTINATIONADDRESS')],
  [3, status('REJECTED_NOT_ENOUGH_CREDITS'), error('EC_LIMIT_REACHED')],
  [2, status('REJECTED_SOURCE'), error('EC_CONFIGURATION_ERROR')],
  [2, status('REJECTED_FLOODING_FILTER'), error('EC_DESTINATION_FLOODING')],
  [1, status('REJECTED_SENDER'), error('EC_BLACKLISTED_SENDERADDRESS')],
] as const;

const noError = error('NO_ERROR');

/** `pace` shortens the long waits, where nobody sits for hours. */
export function life(sentAt: EpochMs, pace: number, random: Random): Life {
  const outcome = random.weighted<(sentAt: EpochMs, pace: number, random: Random) => Life>([
    [868, delivered],
    [75, failed],
    [18, refused],
    [14, expired],
    [25, () => ({ steps: [{ at: sentAt + random.delayMs(400), status: status('PENDING_ENROUTE') }] })],
  ]);
  return outcome(sentAt, pace, random);
}

function onItsWay(sentAt: EpochMs, random: Random): Step[] {
  const steps: Step[] = [];
  if (random.chance(0.5)) steps.push({ at: sentAt + random.between(40, 300), status: status('PENDING_ENROUTE') });
  if (random.chance(0.25))
    steps.push({ at: sentAt + random.between(301, 600), status: status('DELIVERED_TO_OPERATOR'), error: noError });
  return steps;
}

function arrival(doneAt: EpochMs): Step {
  return { at: doneAt, status: status('DELIVERED_TO_HANDSET'), error: noError, doneAt, priced: true };
}

function delivered(sentAt: EpochMs, pace: number, random: Random): Life {
  const doneAt = sentAt + 601 + random.delayMs(1800);
  const steps = [...onItsWay(sentAt, random), arrival(doneAt)];
  const seenAt = doneAt + random.delayMs(240_000 * pace);
  return { steps: random.chance(0.45) ? [...steps, { at: seenAt, seenAt }] : steps };
}

function failed(sentAt: EpochMs, _pace: number, random: Random): Life {
  const reason = random.weighted(failures);
  const doneAt = sentAt + 601 + random.delayMs(reason.permanent ? 700 : 20_000);
  const outcome = statusOfFailure.get(reason.name) ?? status('UNDELIVERABLE_REJECTED_OPERATOR');
  return { steps: [...onItsWay(sentAt, random), { at: doneAt, status: outcome, error: reason, doneAt }] };
}

/** Refused before it was sent: it is recorded with its end. */
function refused(sentAt: EpochMs, _pace: number, random: Random): Life {
  const [, outcome, reason] = random.weighted(refusals.map(one => [one[0], one] as const));
  return { refusedAs: { at: sentAt, status: outcome, error: reason, doneAt: sentAt }, steps: [] };
}

/** No receipt came in time; one in three comes after all. */
function expired(sentAt: EpochMs, pace: number, random: Random): Life {
  const doneAt = sentAt + Math.round(random.between(40, 120) * 60_000 * pace);
  const end = { at: doneAt, doneAt, error: error('EC_VALIDITY_EXPIRED') };
  const steps = [
    ...onItsWay(sentAt, random),
    { ...end, status: status(random.chance(0.5) ? 'EXPIRED_EXPIRED' : 'EXPIRED_DLR_UNKNOWN') },
  ];
  return { steps: random.chance(0.33) ? [...steps, arrival(doneAt + random.delayMs(120_000 * pace))] : steps };
}
