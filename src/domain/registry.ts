import { errorRows, statusRows } from './registry-codes.ts';

/** The groups a caller may filter by (`generalStatus`). `ACCEPTED` is the vendor's, though no registered code has it. */
export const statusGroupNames = ['ACCEPTED', 'PENDING', 'UNDELIVERABLE', 'DELIVERED', 'EXPIRED', 'REJECTED'] as const;
export type StatusGroupName = (typeof statusGroupNames)[number];

export type ErrorGroupName = 'OK' | 'HANDSET_ERRORS' | 'USER_ERRORS' | 'OPERATOR_ERRORS';
const errorGroupNames: readonly ErrorGroupName[] = ['OK', 'HANDSET_ERRORS', 'USER_ERRORS', 'OPERATOR_ERRORS'];

export type Status = {
  /** One number for group and id together: what the store keeps. */
  readonly key: number;
  readonly groupId: number;
  readonly groupName: StatusGroupName;
  readonly id: number;
  readonly name: string;
  readonly description: string;
  /** No report is expected after it. */
  readonly final: boolean;
  readonly action?: string;
};

export type DeliveryError = {
  readonly key: number;
  readonly groupId: number;
  readonly groupName: ErrorGroupName;
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly permanent: boolean;
};

const codeKey = (groupId: number, id: number) => groupId * 10_000 + id;

function groupName<T>(names: readonly T[], groupId: number): T {
  const name = names[groupId];
  if (name === undefined) throw new Error(`the registry has a code of the unknown group ${groupId}`);
  return name;
}

export const statuses: readonly Status[] = statusRows.map(([groupId, id, name, final, description]) =>
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

export const deliveryErrors: readonly DeliveryError[] = errorRows.map(([groupId, id, name, permanent, description]) =>
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

function byKey<T extends { readonly key: number }>(kind: string, entries: readonly T[]) {
  const map = new Map(entries.map(entry => [entry.key, entry]));
  if (map.size !== entries.length) throw new Error(`the registry has one ${kind} twice`);
  return (key: number): T => {
    const entry = map.get(key);
    if (entry === undefined) throw new RangeError(`no ${kind} has the key ${key}`);
    return entry;
  };
}

/** The registry's entry for a stored key; a `RangeError` when there is none. */
export const statusByKey = byKey('status', statuses);
export const deliveryErrorByKey = byKey('error', deliveryErrors);

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
