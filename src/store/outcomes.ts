import { type DeliveryError, deliveryErrorByKey, isRegistered, nameOf, statusGroupNames } from '../domain/registry.ts';
import { failedGroups } from '../domain/summary-cell.ts';

/** How many messages came to each group of statuses, and how many failed by each error: what is not 0. */
export type Outcomes = {
  readonly groups: ReadonlyMap<string, number>;
  /** By the names of registered errors; all others are `unregistered` together, so that there are only so many. */
  readonly errors: ReadonlyMap<string, number>;
};

/** The state of a message as far as it is counted. */
type Outcome = {
  readonly status: { readonly groupId: number; readonly groupName: string };
  readonly error: DeliveryError;
};

/** Counts what messages come to, until it is taken: each time one comes to a group, and each time it fails by an error. */
export class OutcomeTally {
  #groups = new Map<string, number>();
  #errors = new Map<string, number>();

  group(groupId: number): void {
    bump(this.#groups, statusGroupNames[groupId] ?? String(groupId));
  }

  /** By its key in the registry; without one it is of those that are not registered. */
  error(key?: number): void {
    bump(this.#errors, key === undefined ? 'unregistered' : nameOf(deliveryErrorByKey(key)));
  }

  /** A message is recorded, or what is known of it changed. */
  change(before: Outcome | undefined, after: Outcome): void {
    if (before?.status.groupId !== after.status.groupId) this.group(after.status.groupId);
    if (!isFailed(after)) return;
    if (before !== undefined && isFailed(before) && errorOf(before) === errorOf(after)) return;
    this.error(isRegistered(after.error) ? after.error.key : undefined);
  }

  take(): Outcomes {
    const taken = { groups: this.#groups, errors: this.#errors };
    this.#groups = new Map();
    this.#errors = new Map();
    return taken;
  }
}

const isFailed = ({ status }: Outcome) => failedGroups.has(status.groupName);
const errorOf = ({ error }: Outcome) => (isRegistered(error) ? error.key : nameOf(error));

function bump(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
