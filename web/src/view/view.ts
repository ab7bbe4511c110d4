import type { DeliveryError, LogsConditions, LogsFilter, Status } from '../../../src/client/index.ts';
import { isCode } from '../../../src/client/query.ts';
import { errorWords, wordsOf } from './format.ts';
import { boundsOf, type Range } from './range.ts';
import type { Zone } from './zone.ts';

export const groupNames = ['DELIVERED', 'PENDING', 'UNDELIVERABLE', 'EXPIRED', 'REJECTED', 'ACCEPTED'] as const;
export type GroupName = (typeof groupNames)[number];

/** The group that filters and figures have a status in: one of a group that the server does not know is accepted. */
export function countedAs({ groupName }: Status): GroupName {
  return groupNames.find(name => name === groupName) ?? 'ACCEPTED';
}

/** Whether more is to come of a message, as far as is known. */
export function isUnderWay(status: Status): boolean {
  return ['PENDING', 'ACCEPTED'].includes(countedAs(status));
}

/** Whether a group is worth a place: few logs have what is accepted and nothing more, since no code of Infobip's says so. */
export function isShown(name: GroupName, count: number | undefined): boolean {
  return name !== 'ACCEPTED' || (count ?? 0) > 0;
}

/** What an error is looked for by; `undefined` where nothing that could be asked for tells it from others. */
export function errorSought({ name, id, groupName }: DeliveryError): string | undefined {
  if (name !== undefined && isAskable(name)) return name;
  return id === undefined ? (name === undefined ? groupName : undefined) : String(id);
}

/** A name of digits would be asked for as a number, and one of blanks and commas is none to the API. */
function isAskable(name: string): boolean {
  return /[^ ,]/.test(name) && !isCode(name);
}

/** Whether the API finds an error by one of these, which stand for names unless all of them are numbers. */
export function isOneOfErrors({ name, id, groupName }: DeliveryError, sought: readonly string[]): boolean {
  const own = sought.every(isCode) ? id : (name ?? (id === undefined ? groupName : undefined));
  return own !== undefined && sought.includes(String(own));
}

export const textFields = ['sender', 'destination', 'entityId', 'applicationId', 'text'] as const;
/** Of these a message may have one of several values. */
export const listFields = ['messageId', 'bulkId', 'campaignReferenceId', 'error', 'generalStatus'] as const;
export type TextField = (typeof textFields)[number];
export type ListField = (typeof listFields)[number];
export type Field = TextField | ListField;

export const fieldLabels: Readonly<Record<Field, string>> = {
  messageId: 'Message id',
  bulkId: 'Bulk id',
  destination: 'Destination',
  sender: 'Sender',
  campaignReferenceId: 'Campaign',
  generalStatus: 'Status',
  error: 'Error',
  applicationId: 'Application',
  entityId: 'Entity',
  text: 'Text',
};
export const fields = Object.keys(fieldLabels) as readonly Field[];

/** A value as it stands where somebody reads it. */
export function shownValue(field: Field, value: string): string {
  if (field === 'generalStatus') return wordsOf(value);
  return field === 'error' ? errorWords(value) : value;
}

/** What is looked for; a list means one of. An `error` is named, or numbered where it has no name. */
export type Conditions = Partial<Readonly<Record<Field, readonly string[]>>>;

/** What the page shows beside the log. */
export const rooms = ['sources', 'access'] as const;
export type Room = (typeof rooms)[number];

export const comparisons = ['previous', 'yesterday', 'week'] as const;
export type Comparison = (typeof comparisons)[number];
export const comparisonLabels: Readonly<Record<Comparison, string>> = {
  previous: 'The time before',
  yesterday: 'Yesterday',
  week: 'A week before',
};

/** What figures can be broken down by, as the API names it. */
export const breakdowns = [
  'error,campaignReferenceId',
  'campaignReferenceId',
  'sender',
  'sender,campaignReferenceId',
  'applicationId',
  'entityId',
] as const;
export type BreakdownName = (typeof breakdowns)[number];
export const breakdownLabels: Readonly<Record<BreakdownName, string>> = {
  'error,campaignReferenceId': 'Errors by campaign',
  campaignReferenceId: 'Campaigns',
  sender: 'Senders',
  'sender,campaignReferenceId': 'Senders by campaign',
  applicationId: 'Applications',
  entityId: 'Entities',
};

/** Everything that a link to the page carries. */
export type View = {
  readonly conditions: Conditions;
  /** What is left out. */
  readonly not: Conditions;
  readonly range: Range;
  readonly zone: Zone;
  readonly live: boolean;
  /** The log when absent. */
  readonly room?: Room | undefined;
  /** The message that stands open in the drawer. */
  readonly open?: string | undefined;
  /** The earlier time whose figures stand beside. */
  readonly compare?: Comparison | undefined;
  /** What figures are broken down by, instead of what failed most. */
  readonly by?: BreakdownName | undefined;
  /** What a link asks for and the log cannot be asked, as parameters: told rather than left out without a word. */
  readonly ignored?: readonly string[] | undefined;
};

export function isList(field: Field): field is ListField {
  return listFields.some(one => one === field);
}

/** The view with one condition set, or taken away when there are no values. */
export function withCondition(
  view: View,
  field: Field,
  values: readonly string[],
  kind: 'conditions' | 'not' = 'conditions',
): View {
  const { [field]: _, ...others } = view[kind];
  return { ...view, [kind]: values.length === 0 ? others : { ...others, [field]: values } };
}

/** The view with the messages alone that have one of some values, also where they were left out; all when there are none. */
export function only(view: View, field: Field, values: readonly string[]): View {
  return withCondition(withCondition(view, field, [], 'not'), field, values);
}

/** The view without the messages that have a value; of most fields several may be left out. */
export function without(view: View, field: Field, value: string): View {
  const before = isList(field) ? (view.not[field] ?? []).filter(one => one !== value) : [];
  const sought = (view.conditions[field] ?? []).filter(one => one !== value);
  return withCondition(withCondition(view, field, sought), field, [...before, value], 'not');
}

/** Groups that no message leaves, and that are no success. */
export const failedGroups: readonly GroupName[] = ['UNDELIVERABLE', 'EXPIRED', 'REJECTED'];

/** The view with the failed messages alone that have a value: as many as were counted of it. */
export function failedOnly(view: View, field: Field, value: string): View {
  const sought = view.conditions.generalStatus ?? failedGroups;
  const left = view.not.generalStatus ?? [];
  const failed = failedGroups.filter(name => sought.includes(name) && !left.includes(name));
  return only(only(view, field, [value]), 'generalStatus', failed);
}

/** What the API is asked for the view. */
export function filterOf(
  { conditions, not, range, zone }: Pick<View, 'conditions' | 'not' | 'range' | 'zone'>,
  nowMs: number,
): LogsFilter {
  const { sinceMs, untilMs } = boundsOf({ range, zone }, nowMs);
  return {
    ...asked(conditions),
    not: excluded(not),
    sentSince: sinceMs === undefined ? undefined : new Date(sinceMs),
    sentUntil: untilMs === undefined ? undefined : new Date(untilMs),
  };
}

/** Without what a report may change: whoever follows a log is told of messages that leave what is asked for, too. */
export function unchanging({ generalStatus: _, errorName: __, errorId: ___, not, ...filter }: LogsFilter): LogsFilter {
  const { generalStatus: _status, errorName: _name, errorId: _id, ...others } = not ?? {};
  return { ...filter, not: others };
}

/** What has none of several values may be left out by names and by numbers at once. */
function excluded({ error = [], ...not }: Conditions): LogsConditions {
  const names = error.filter(one => !isCode(one));
  const numbers = error.filter(isCode);
  return {
    ...asked(not),
    errorName: names.length === 0 ? undefined : names,
    errorId: numbers.length === 0 ? undefined : numbers,
  };
}

function asked(conditions: Conditions): LogsConditions {
  const { sender, destination, entityId, applicationId, text, error, generalStatus, ...lists } = conditions;
  const isNumbered = error?.every(isCode) === true;
  return {
    sender: sender?.[0],
    destination: destination?.[0],
    entityId: entityId?.[0],
    applicationId: applicationId?.[0],
    text: text?.[0],
    ...lists,
    errorName: isNumbered ? undefined : error,
    errorId: isNumbered ? error : undefined,
    generalStatus: generalStatus && groupNames.filter(group => generalStatus.includes(group)),
  };
}
