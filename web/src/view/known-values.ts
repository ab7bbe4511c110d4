import type { Log, Summary } from '../../../src/client/index.ts';
import { errorWords } from './format.ts';
import { errorSought, type Field, failedGroups, groupNames } from './view.ts';

/** Fields whose values come again and again, so that they are worth suggesting. */
const suggestedFields = ['campaignReferenceId', 'error', 'entityId', 'applicationId'] as const;
export type SuggestedField = (typeof suggestedFields)[number];

/** What messages have, or may have: a word for a status may mean several. */
export type Suggestion = { readonly field: Field; readonly values: readonly string[] };
type Worded = Suggestion & { readonly words: readonly string[] };

/** Words for how it went with a message, the page's own and those of codes. */
const statuses: readonly Worded[] = [
  { field: 'generalStatus', values: failedGroups, words: ['FAILED', 'FAILURES'] },
  ...groupNames.map(name => ({ field: 'generalStatus' as const, values: [name], words: [name] })),
];

/** More of one field would not be looked through while somebody types. */
const valuesMax = 5000;

/** Which values messages have, as far as any have been seen. */
export class KnownValues {
  readonly #values: Readonly<Record<SuggestedField, Set<string>>> = {
    campaignReferenceId: new Set(),
    error: new Set(),
    entityId: new Set(),
    applicationId: new Set(),
  };

  see({ campaignReferenceId, error, platform }: Log): void {
    this.add('campaignReferenceId', campaignReferenceId);
    if (error.id !== 0) this.add('error', errorSought(error));
    this.add('entityId', platform?.entityId);
    this.add('applicationId', platform?.applicationId);
  }

  /** What figures name: it need not be among the rows that were read. */
  seeFigures({ failures, breakdown }: Pick<Summary, 'failures' | 'breakdown'>): void {
    for (const { name } of failures?.errors ?? []) this.add('error', name);
    for (const { campaignReferenceId } of failures?.campaigns ?? [])
      this.add('campaignReferenceId', campaignReferenceId);
    for (const row of breakdown?.rows ?? []) for (const field of suggestedFields) this.add(field, row[field]);
  }

  add(field: SuggestedField, value: string | undefined): void {
    const values = this.#values[field];
    if (value !== undefined && value !== '' && values.size < valuesMax) values.add(value);
  }

  /** The values that hold a text, those that begin with it first; at most so many. */
  holding(text: string, max: number): readonly Suggestion[] {
    const sought = text.toLowerCase();
    if (sought === '') return [];
    const all: readonly Worded[] = [
      ...suggestedFields.flatMap(field =>
        [...this.#values[field]].map(value => ({
          field,
          values: [value],
          words: field === 'error' ? [value, errorWords(value)] : [value],
        })),
      ),
      ...statuses,
    ];
    const placeOf = ({ field, words }: Worded) =>
      Math.min(
        ...words.map(word => {
          const place = word.toLowerCase().indexOf(sought);
          if (place !== -1) return place;
          // A code begins with its group: `DELIVERED_TO_HANDSET`.
          const isCodeOf =
            field === 'generalStatus' && sought.replaceAll(' ', '_').startsWith(`${word.toLowerCase()}_`);
          return isCodeOf ? 0 : Number.POSITIVE_INFINITY;
        }),
      );
    return all
      .map(one => ({ one, place: placeOf(one) }))
      .filter(({ place }) => place < Number.POSITIVE_INFINITY)
      .sort((a, b) => a.place - b.place || (a.one.words.join() < b.one.words.join() ? -1 : 1))
      .slice(0, max)
      .map(({ one: { field, values } }) => ({ field, values }));
  }
}
