import { errorRows, statusRows } from './registry-codes.ts';

/** The groups a caller may filter by (`generalStatus`). `ACCEPTED` is the vendor's, though no registered code has it. */
export const statusGroupNames = ['ACCEPTED', 'PENDING', 'UNDELIVERABLE', 'DELIVERED', 'EXPIRED', 'REJECTED'] as const;
export type StatusGroupName = (typeof statusGroupNames)[number];

export type ErrorGroupName = 'OK' | 'HANDSET_ERRORS' | 'USER_ERRORS' | 'OPERATOR_ERRORS';
export const errorGroupNames: readonly ErrorGroupName[] = ['OK', 'HANDSET_ERRORS', 'USER_ERRORS', 'OPERATOR_ERRORS'];

/** What every code has, and what one that is not registered may have come without. */
type Code<GroupName> = {
  /** One number for group and id together: what the store keeps. All codes of a group that are not registered share one. */
  readonly key: number;
  readonly groupId: number;
  readonly groupName: GroupName;
  readonly id?: number;
  readonly name?: string;
  readonly description?: string;
  /** Where its group is none of those that are known: the group it came with, if any. It is shown; `groupName` is what the code counts as. */
  readonly foreignGroup?: ForeignGroup;
  /** The JSON text of an object: further fields that a log came with from elsewhere. */
  readonly furtherJson?: string;
};

export type ForeignGroup = { readonly groupId?: number; readonly groupName?: string };

export type Status = Code<StatusGroupName> & {
  /** No report is expected after it. */
  readonly final: boolean;
  readonly action?: string;
};

export type DeliveryError = Code<ErrorGroupName> & { readonly permanent?: boolean };

type Known<T extends Code<unknown>> = T & Required<Pick<T, 'id' | 'name' | 'description'>>;
export type RegisteredStatus = Known<Status>;
export type RegisteredError = Known<DeliveryError> & { readonly permanent: boolean };

const codeKey = (groupId: number, id: number) => groupId * 10_000 + id;
/** Above the ids of all registered codes: it stands for those that are not. */
const unregisteredId = 9_999;

export function isRegistered({ key }: { readonly key: number }): boolean {
  return key % 10_000 !== unregisteredId;
}

function groupName<T>(names: readonly T[], groupId: number): T {
  const name = names[groupId];
  if (name === undefined) throw new Error(`the registry has a code of the unknown group ${groupId}`);
  return name;
}

export const statuses: readonly RegisteredStatus[] = statusRows.map(([groupId, id, name, final, description]) =>
  Object.freeze({
    key: codeKey(groupId, id),
    groupId,
    groupName: groupName(statusGroupNames, groupId),
    id,
    name,
    description,
    final,
  }),
);

export const deliveryErrors: readonly RegisteredError[] = errorRows.map(([groupId, id, name, permanent, description]) =>
  Object.freeze({
    key: codeKey(groupId, id),
    groupId,
    groupName: groupName(errorGroupNames, groupId),
    id,
    name,
    description,
    permanent,
  }),
);

/** By group: what any status of it is that is not registered. Only those that are pending, or accepted, go on. */
export const unregisteredStatuses: readonly Status[] = statusGroupNames.map((name, groupId) =>
  Object.freeze({
    key: codeKey(groupId, unregisteredId),
    groupId,
    groupName: name,
    final: name !== 'PENDING' && name !== 'ACCEPTED',
  }),
);

export const unregisteredErrors: readonly DeliveryError[] = errorGroupNames.map((name, groupId) =>
  Object.freeze({ key: codeKey(groupId, unregisteredId), groupId, groupName: name }),
);

/** What stands for a code of a group that is not known: more may become of it, or it failed in a way of its own. */
export const foreignStatus = entryOf(unregisteredStatuses, 'ACCEPTED');
export const foreignError = entryOf(unregisteredErrors, 'OPERATOR_ERRORS');

function entryOf<T extends { readonly groupName: string }>(entries: readonly T[], name: T['groupName']): T {
  const entry = entries.find(one => one.groupName === name);
  if (entry === undefined) throw new Error(`the registry lacks the group ${name}`);
  return entry;
}

/** The group of a code as whoever reads it sees it. */
export function groupShown({ groupId, groupName, foreignGroup }: Status | DeliveryError): ForeignGroup {
  return foreignGroup ?? { groupId, groupName };
}

/** Everything that a code says of itself, alike for equal ones. */
export function codeText(code: Status | DeliveryError): string {
  const { key, id, name, description, foreignGroup, furtherJson } = code;
  const [action, permanent] = ['action' in code && code.action, 'permanent' in code && code.permanent];
  return JSON.stringify([key, id, name, description, action, permanent, foreignGroup, furtherJson]);
}

/** What a code is called in figures. */
export function nameOf(code: Status | DeliveryError): string {
  const { name, id, groupName, foreignGroup } = code;
  return name ?? (id === undefined ? (foreignGroup?.groupName ?? groupName) : String(id));
}

function byKey<T extends { readonly key: number }>(kind: string, entries: readonly T[]) {
  const map = new Map(entries.map(entry => [entry.key, entry]));
  if (map.size !== entries.length) throw new Error(`the registry has one ${kind} twice`);
  return (key: number): T => {
    const entry = map.get(key);
    if (entry === undefined) throw new RangeError(`no ${kind} has the key ${key}`);
    return entry;
  };
}

/** The registry's entry for a stored key, or what stands for those that it has not; a `RangeError` when there is none. */
export const statusByKey = byKey<Status>('status', [...statuses, ...unregisteredStatuses]);
export const deliveryErrorByKey = byKey<DeliveryError>('error', [...deliveryErrors, ...unregisteredErrors]);

function named<T extends { readonly name: string }>(entries: readonly T[], name: string): T {
  const entry = entries.find(candidate => candidate.name === name);
  if (entry === undefined) throw new Error(`the registry lacks ${name}`);
  return entry;
}

/** The registry's first entry of this name; throws when there is none. */
export const statusNamed = (name: string): Status => named(statuses, name);
export const deliveryErrorNamed = (name: string): DeliveryError => named(deliveryErrors, name);

export const pendingAccepted = statusNamed('PENDING_ACCEPTED');
export const noError = deliveryErrorNamed('NO_ERROR');
