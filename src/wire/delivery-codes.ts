import type { Violation } from '../domain/message.ts';
import { type DeliveryError, deliveryErrors, type Status, statuses } from '../domain/registry.ts';

/** A status or error as a caller gives it: by id, by name, or with any of its fields. */
export type GivenCode = number | string | GivenFields;
type GivenFields = {
  readonly groupId?: number;
  readonly groupName?: string;
  readonly id?: number;
  readonly name?: string;
  readonly description?: string;
  readonly action?: string;
  readonly permanent?: boolean;
};

type Code = {
  readonly groupId: number;
  readonly groupName: string;
  readonly id: number;
  readonly name: string;
  readonly description: string;
};

/** The registered status that is meant, with the caller's own description and action; what is wrong joins `violations`. */
export function readStatus(given: GivenCode, violations: Violation[]): Status | undefined {
  const status = statusIndex.find(given, 'status', violations);
  if (status === undefined || typeof given !== 'object') return status;
  const { description = status.description, action } = given;
  if (action !== undefined) return { ...status, description, action };
  return description === status.description ? status : { ...status, description };
}

/** The registered error that is meant, with the caller's own description; what is wrong joins `violations`. */
export function readError(given: GivenCode, violations: Violation[]): DeliveryError | undefined {
  const error = errorIndex.find(given, 'error', violations);
  if (error === undefined || typeof given !== 'object') return error;
  const { description = error.description, permanent = error.permanent } = given;
  if (permanent !== error.permanent)
    violations.push({
      property: 'error.permanent',
      violation: `contradicts ${error.name}, which has ${error.permanent}`,
    });
  return description === error.description ? error : { ...error, description };
}

class CodeIndex<T extends Code> {
  readonly #byId: ReadonlyMap<number, readonly T[]>;
  readonly #byName: ReadonlyMap<string, readonly T[]>;

  constructor(codes: readonly T[]) {
    this.#byId = Map.groupBy(codes, code => code.id);
    this.#byName = Map.groupBy(codes, code => code.name);
  }

  find(given: GivenCode, property: string, violations: Violation[]): T | undefined {
    if (typeof given === 'number') return this.#only(this.#byId.get(given), {}, property, property, violations);
    if (typeof given === 'string') return this.#only(this.#byName.get(given), {}, property, property, violations);
    if (given.id !== undefined)
      return this.#only(this.#byId.get(given.id), given, property, `${property}.id`, violations);
    if (given.name !== undefined)
      return this.#only(this.#byName.get(given.name), given, property, `${property}.name`, violations);
    violations.push({ property, violation: 'must have an id or a name' });
    return undefined;
  }

  #only(
    candidates: readonly T[] | undefined,
    given: GivenFields,
    property: string,
    key: string,
    violations: Violation[],
  ): T | undefined {
    if (candidates === undefined) {
      violations.push({ property: key, violation: `is not of a registered ${property}` });
      return undefined;
    }
    const [only] = candidates;
    if (only !== undefined && candidates.length === 1 && agrees(only, given)) return only;
    const [first, ...others] = candidates.filter(code => agrees(code, given));
    if (first === undefined) contradicts(candidates, given, property, violations);
    else if (others.length > 0) {
      const groups = [first, ...others].map(code => code.groupName).join(' and ');
      violations.push({ property: key, violation: `is of the groups ${groups}: give groupId or groupName too` });
      return undefined;
    }
    return first;
  }
}

function agrees(code: Code, { groupId, groupName, id, name }: GivenFields): boolean {
  return (
    (id === undefined || id === code.id) &&
    (name === undefined || name === code.name) &&
    (groupId === undefined || groupId === code.groupId) &&
    (groupName === undefined || groupName === code.groupName)
  );
}

/** Names each field that none of the codes has; or all of the codes, where only their combination is wrong. */
function contradicts(codes: readonly Code[], given: GivenFields, property: string, violations: Violation[]): void {
  const known = codes.map(({ groupId, groupName, id, name }) => `${groupId} ${groupName} ${id} ${name}`).join(' or ');
  const violation = `contradicts the registered ${property} ${known}`;
  const wrong = (['groupId', 'groupName', 'id', 'name'] as const).filter(
    field => given[field] !== undefined && codes.every(code => code[field] !== given[field]),
  );
  for (const field of wrong) violations.push({ property: `${property}.${field}`, violation });
  if (wrong.length === 0) violations.push({ property, violation });
}

const statusIndex = new CodeIndex(statuses);
const errorIndex = new CodeIndex(deliveryErrors);
