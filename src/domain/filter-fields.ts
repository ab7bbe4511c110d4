import type { MessageIdentity, MessageState } from './message.ts';

/** What of a log filters look at. */
export type Filtered = Partial<MessageIdentity> & Pick<MessageState, 'status' | 'error'>;

type FieldRow = {
  readonly name: string;
  /** What it is called in a sentence. */
  readonly noun: string;
  /** Whether a query may name several values. */
  readonly many: boolean;
  /** Whether reports change it: then it is asked of a message as it is now, or was when a walk began. */
  readonly changes: boolean;
};

type ExactRow = FieldRow & {
  /**
   * `number`: of international form. `group`: a group of statuses. `code`: a whole number, as its decimal text.
   */
  readonly kind: 'text' | 'number' | 'group' | 'code';
  readonly valueIn: (log: Filtered) => string | undefined;
};

/** What logs are filtered by as it stands in them, in the order of the vendor's page: what engines look values up by. */
export const exactFields = [
  {
    name: 'sender',
    noun: 'sender',
    many: false,
    kind: 'number',
    changes: false,
    valueIn: log => log.sender,
  },
  {
    name: 'destination',
    noun: 'destination',
    many: false,
    kind: 'number',
    changes: false,
    valueIn: log => log.destination,
  },
  {
    name: 'bulkId',
    noun: 'bulk id',
    many: true,
    kind: 'text',
    changes: false,
    valueIn: log => log.bulkId,
  },
  {
    name: 'messageId',
    noun: 'message id',
    many: true,
    kind: 'text',
    changes: false,
    valueIn: log => log.messageId,
  },
  {
    name: 'generalStatus',
    noun: 'group of the status',
    many: true,
    kind: 'group',
    changes: true,
    valueIn: log => log.status.groupName,
  },
  {
    name: 'errorName',
    noun: 'name of the error, or of its group where it has neither name nor number',
    many: true,
    kind: 'text',
    changes: true,
    // One that has neither name nor number goes by its group, as in figures.
    valueIn: ({ error: { name, id, groupName, foreignGroup } }) =>
      name ?? (id === undefined ? (foreignGroup?.groupName ?? groupName) : undefined),
  },
  {
    name: 'errorId',
    noun: 'number of the error',
    many: true,
    kind: 'code',
    changes: true,
    valueIn: log => (log.error.id === undefined ? undefined : String(log.error.id)),
  },
  {
    name: 'entityId',
    noun: 'entity',
    many: false,
    kind: 'text',
    changes: false,
    valueIn: log => log.entityId,
  },
  {
    name: 'applicationId',
    noun: 'application',
    many: false,
    kind: 'text',
    changes: false,
    valueIn: log => log.applicationId,
  },
  {
    name: 'campaignReferenceId',
    noun: 'campaign',
    many: true,
    kind: 'text',
    changes: false,
    valueIn: log => log.campaignReferenceId,
  },
] as const satisfies readonly ExactRow[];

/**
 * Everything that logs can be filtered by beside their time. Parameters, their description, flags of the command line and
 * the client go by this table; `kind: 'words'` is what `text-search.ts` tells of a whole message.
 */
export const filterFields = [
  ...exactFields,
  {
    name: 'text',
    noun: 'text',
    many: false,
    kind: 'words',
    changes: false,
  },
] as const satisfies readonly (FieldRow & { readonly kind: ExactRow['kind'] | 'words' })[];

/** Whether a text is a code's number as a log writes it: no `+`, no zeros before it, and none that a log cannot have. */
export function isCode(text: string): boolean {
  return /^(?:0|-?[1-9]\d{0,15})$/.test(text) && Number.isSafeInteger(Number(text));
}

export type ExactField = (typeof exactFields)[number] & ExactRow;
export type ExactName = ExactField['name'];
export type FilterField = (typeof filterFields)[number] & FieldRow;
export type FilterName = FilterField['name'];
