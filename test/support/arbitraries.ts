import fc from 'fast-check';
import type { Conditions } from '../../src/domain/filter.ts';
import { type FilterName, filterFields } from '../../src/domain/filter-fields.ts';
import type { MessageState } from '../../src/domain/message.ts';
import {
  type DeliveryError,
  deliveryErrors,
  foreignError,
  foreignStatus,
  noError,
  type Status,
  statuses,
  statusGroupNames,
  unregisteredErrors,
  unregisteredStatuses,
} from '../../src/domain/registry.ts';
import type { DatedReport, Report } from '../../src/domain/report.ts';

/** Few moments, so that equal ones are common. */
export const moment = fc.integer({ min: 1, max: 6 }).map(tick => 1_700_000_000_000 + tick * 1000);

/** Further fields that look like what stands around them where they are kept. */
const furtherJson = '{"since":null,"e":{"name":"ONE_TO_COME","id":777},"x":"\\u0000\\",\\"e\\":{\\"id\\":777}"}';

const worded = (status: Status): readonly Status[] => [
  status,
  { ...status, description: 'in other words' },
  { ...status, description: 'in other words', action: 'try again' },
  { ...status, furtherJson },
];

/** Of each group that matters two that are not registered, one by id and one by name. */
const unregistered = <T extends { readonly groupName: string }>(kinds: readonly T[]): readonly T[] =>
  kinds.flatMap(one => [
    { ...one, id: 777 },
    { ...one, name: 'ONE_TO_COME', description: 'in other words', furtherJson: '{"k":[1.0]}' },
  ]);

/** Of groups that are not known, as mirrored logs may have them. */
const foreignStatuses: readonly Status[] = [
  { ...foreignStatus, foreignGroup: { groupId: 42, groupName: 'SUPPRESSED' }, id: 4200, name: 'SUPPRESSED_BY_RULE' },
  { ...foreignStatus, foreignGroup: {}, id: 777 },
  { ...foreignStatus, foreignGroup: { groupName: 'DELIVERED?' } },
];
const foreignErrors: readonly DeliveryError[] = [
  { ...foreignError, foreignGroup: { groupId: 9, groupName: 'OK_BUT' }, id: 77, name: 'ONE_TO' },
  { ...foreignError, foreignGroup: { groupId: 9 }, name: 'ONE_TO_COME' },
];

/** Few codes of every stage and group, some in a sender's own words, so that ties are common. */
const registeredStatus: fc.Arbitrary<Status> = fc
  .constantFrom(
    'PENDING_ACCEPTED',
    'PENDING_ENROUTE',
    'DELIVERED_TO_OPERATOR',
    'DELIVERED_TO_HANDSET',
    'EXPIRED_EXPIRED',
    'EXPIRED_DLR_UNKNOWN',
    'REJECTED_NETWORK',
    'UNDELIVERABLE_NOT_DELIVERED',
  )
  .chain(name => fc.constantFrom(...statuses.filter(status => status.name === name).flatMap(worded)));

export const anyStatus: fc.Arbitrary<Status> = fc.oneof(
  { weight: 4, arbitrary: registeredStatus },
  { weight: 1, arbitrary: fc.constantFrom(...unregistered(unregisteredStatuses), ...foreignStatuses) },
);

export const anyError: fc.Arbitrary<DeliveryError> = fc.constantFrom<DeliveryError>(
  noError,
  ...unregistered(unregisteredErrors.slice(1, 3)),
  ...foreignErrors,
  ...deliveryErrors
    .slice(1, 4)
    .flatMap(error => [error, { ...error, description: 'in other words' }, { ...error, furtherJson }]),
);

const anyPrice = fc.record({
  pricePerMessage: fc.constantFrom(0, 0.01, 0.15, 1, 12.345678),
  currency: fc.constantFrom('EUR', 'USD', 'JPY'),
});

/** A report as it came, with any of its fields absent. */
export const anyReport: fc.Arbitrary<Report> = fc
  .record({
    status: fc.option(anyStatus, { nil: undefined, freq: 4 }),
    error: fc.option(anyError, { nil: undefined }),
    doneAt: fc.option(moment, { nil: undefined, freq: 2 }),
    price: fc.option(anyPrice, { nil: undefined, freq: 2 }),
    seenAt: fc.option(moment, { nil: undefined, freq: 2 }),
    at: fc.option(moment, { nil: undefined }),
    extraJson: fc.option(fc.constantFrom('{"k":[1e400]}', '{"platform":{"a" : null}}'), { nil: undefined, freq: 2 }),
  })
  .map(present);

export const anyDatedReport: fc.Arbitrary<DatedReport> = fc
  .tuple(anyReport, moment)
  .map(([report, at]): DatedReport => ({ ...report, at }));

export const anyInitialState: fc.Arbitrary<MessageState> = fc
  .tuple(anyDatedReport, anyStatus, anyError)
  .map(([report, status, error]): MessageState => ({ status, error, ...report }));

/** What `anyStatus` and `anyError` come to, and one more of each that none has. */
export const stateValues = {
  generalStatus: statusGroupNames,
  errorName: [
    'NO_ERROR',
    'ONE_TO_COME',
    'ONE_TO',
    'in other words',
    ...deliveryErrors.slice(1, 3).map(({ name }) => name),
  ],
  errorId: ['0', '777', '77', '9999', ...deliveryErrors.slice(2, 4).map(({ id }) => String(id))],
} as const satisfies Partial<Record<FilterName, readonly string[]>>;

/** Of at most so many fields one or several of the values that are given for them. */
export function anyConditions(
  values: Partial<Readonly<Record<FilterName, readonly string[]>>>,
  fieldsMax: number,
): fc.Arbitrary<Conditions> {
  const fields = filterFields.flatMap(({ name }) =>
    values[name] === undefined ? [] : [[name, values[name]] as const],
  );
  const condition = fc
    .constantFrom(...fields)
    .chain(([name, all]) => fc.tuple(fc.constant(name), fc.subarray([...all], { minLength: 1 })));
  return fc
    .uniqueArray(condition, { maxLength: fieldsMax, selector: ([name]) => name })
    .map(all => Object.fromEntries(all.map(([name, some]) => [name, some.length === 1 ? some[0] : some])));
}

/** The same object without its `undefined` fields. */
export function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> };
export function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
