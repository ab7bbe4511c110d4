import type { Violation } from '../../domain/message.ts';
import {
  type DeliveryError,
  deliveryErrors,
  errorGroupNames,
  foreignError,
  foreignStatus,
  type Status,
  statuses,
  statusGroupNames,
  unregisteredErrors,
  unregisteredStatuses,
} from '../../domain/registry.ts';
import { limits } from '../../limits.ts';
import { plainText } from '../log-schemas.ts';

/** A status or error as a caller gives it: by id, by name, or with any of its fields. */
export type GivenCode = number | string | GivenFields;
type GivenFields = {
  readonly groupId?: number;
  readonly groupName?: string;
  readonly id?: number;
  readonly name?: string | undefined;
  readonly description?: string;
  readonly action?: string;
  readonly permanent?: boolean;
};

/** Whether a code must be of a group that is known. A log from elsewhere may have others: they are kept as they came. */
export type Groups = 'known' | 'any';

/**
 * The status that is meant: the registered one that has the given id, or name where there is no id, whatever else stands
 * beside it; or one that is not registered, as it was given, of a group that is. The caller's own description and action
 * stay. What is wrong joins `violations`.
 */
export function readStatus(given: GivenCode, violations: Violation[], groups: Groups = 'known'): Status | undefined {
  const status = statusIndex.find(given, violations, groups);
  if (status === undefined || typeof given !== 'object') return status;
  const { description = status.description, action } = given;
  if (action === undefined && description === status.description) return status;
  return { ...status, ...(description !== undefined && { description }), ...(action !== undefined && { action }) };
}

/** As `readStatus`. Whether an error is permanent is asked of the registry, where it is in there. */
export function readError(
  given: GivenCode,
  violations: Violation[],
  groups: Groups = 'known',
): DeliveryError | undefined {
  const error = errorIndex.find(given, violations, groups);
  if (error === undefined || typeof given !== 'object') return error;
  const { description = error.description, permanent = error.permanent } = given;
  const keepsPermanent = error.permanent === undefined && permanent !== undefined;
  if (!keepsPermanent && description === error.description) return error;
  return { ...error, ...(description !== undefined && { description }), ...(keepsPermanent && { permanent }) };
}

const hasGroup = ({ groupId, groupName }: GivenFields) => groupId !== undefined || groupName !== undefined;

type Code = { readonly groupId: number; readonly groupName: string; readonly id?: number; readonly name?: string };
type Named = Required<Code>;

const nameRule = new RegExp(plainText, 'u');
const spaces = /[\s-]+/g;

/** Counted in characters, as the schemas count: one beyond the first 65,536 is two units of a string. */
function isWithin(text: string, charsMax: number): boolean {
  return text.length <= charsMax || (text.length <= 2 * charsMax && [...text].length <= charsMax);
}

class CodeIndex<T extends Code> {
  readonly #property: string;
  readonly #byId: ReadonlyMap<number, readonly (T & Named)[]>;
  readonly #byName: ReadonlyMap<string, readonly (T & Named)[]>;
  readonly #groupNames: readonly string[];
  readonly #others: readonly T[];
  readonly #foreign: T;

  /** `others` are what stands for the codes that are not registered, by group; `foreign` for those of no known group. */
  constructor(
    property: string,
    codes: readonly (T & Named)[],
    groupNames: readonly string[],
    others: readonly T[],
    foreign: T,
  ) {
    this.#property = property;
    this.#byId = Map.groupBy(codes, code => code.id);
    this.#byName = Map.groupBy(codes, code => code.name);
    this.#groupNames = groupNames;
    this.#others = others;
    this.#foreign = foreign;
  }

  find(given: GivenCode, violations: Violation[], groups: Groups): T | undefined {
    if (typeof given === 'number') return this.#whole({ id: given }, this.#property, violations, groups);
    if (typeof given === 'string') return this.#whole({ name: given }, this.#property, violations, groups);
    const { id, name } = given;
    if (name === '') return this.find({ ...given, name: undefined }, violations, groups);
    if (id !== undefined) return this.#whole(given, `${this.#property}.id`, violations, groups);
    if (name !== undefined) return this.#whole(given, `${this.#property}.name`, violations, groups);
    if (groups === 'any' && hasGroup(given)) return this.#whole(given, this.#property, violations, groups);
    violations.push({ property: this.#property, violation: 'must have an id or a name' });
    return undefined;
  }

  /** `key` is the property that names the code. */
  #whole(given: GivenFields, key: string, violations: Violation[], groups: Groups): T | undefined {
    const { id, name } = given;
    const candidates = (id === undefined ? this.#byName.get(name ?? '') : this.#byId.get(id)) ?? [];
    const [first, ...others] = candidates;
    if (first !== undefined && others.length === 0) return first;
    const groupId = this.#groupOf(given);
    if (groups === 'any' && groupId === undefined && hasGroup(given)) return this.#foreignOf(given, violations);
    // A name may tell apart what has one id in several groups, and an id that is not registered be of a name that is.
    const byName = this.#byName.get(name ?? '') ?? [];
    const meant = candidates.find(code => code.groupId === groupId);
    if (meant !== undefined) return meant;
    const group = groupId ?? (byName.length === 1 ? byName[0]?.groupId : undefined);
    if (group !== undefined) return this.#named(given, this.#otherOf(group), violations);
    if (groups === 'any') return this.#foreignOf(given, violations);
    const violation =
      candidates.length > 0
        ? `is of the groups ${candidates.map(code => code.groupName).join(' and ')}: give groupId or groupName too`
        : `is not of a registered ${this.#property}: give its groupId, or its groupName, one of ${this.#groupNames.join(', ')}`;
    violations.push({ property: key, violation });
    return undefined;
  }

  /** The number of a group that there is; `groupId` goes before. */
  #groupOf({ groupId, groupName }: GivenFields): number | undefined {
    if (groupId !== undefined && this.#groupNames[groupId] !== undefined) return groupId;
    const at = this.#groupNames.indexOf(groupName?.trim().toUpperCase().replaceAll(spaces, '_') ?? '');
    return at < 0 ? undefined : at;
  }

  #otherOf(groupId: number): T {
    const other = this.#others[groupId];
    if (other === undefined) throw new RangeError(`nothing stands for the codes of group ${groupId}`);
    return other;
  }

  #foreignOf(given: GivenFields, violations: Violation[]): T | undefined {
    const { groupId, groupName } = given;
    if (groupName !== undefined && !this.#isName(groupName, 'groupName', violations)) return undefined;
    const foreignGroup = {
      ...(groupId !== undefined && { groupId: groupId + 0 }),
      ...(groupName !== undefined && { groupName }),
    };
    return this.#named(given, { ...this.#foreign, foreignGroup }, violations);
  }

  #named({ id, name }: GivenFields, other: T, violations: Violation[]): T | undefined {
    if (name !== undefined && !this.#isName(name, 'name', violations)) return undefined;
    return { ...other, ...(id !== undefined && { id: id + 0 }), ...(name !== undefined && { name }) };
  }

  #isName(text: string, field: string, violations: Violation[]): boolean {
    if (nameRule.test(text) && isWithin(text, limits.idCharsMax)) return true;
    const violation = `must be a text of 1 to ${limits.idCharsMax} characters without control characters`;
    violations.push({ property: `${this.#property}.${field}`, violation });
    return false;
  }
}

const statusIndex = new CodeIndex<Status>('status', statuses, statusGroupNames, unregisteredStatuses, foreignStatus);
const errorIndex = new CodeIndex<DeliveryError>(
  'error',
  deliveryErrors,
  errorGroupNames,
  unregisteredErrors,
  foreignError,
);
