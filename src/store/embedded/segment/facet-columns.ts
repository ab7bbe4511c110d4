/** The fields whose values are few enough to be told by a number in most segments. */
export const facetFields = ['sender', 'bulkId', 'entityId', 'applicationId', 'campaignReferenceId'] as const;
export type FacetField = (typeof facetFields)[number];

/** The numbers of a segment in the making. */
export type FacetColumns = Readonly<Record<'outcome' | 'messageCount' | 'reportOutcome', Uint16Array>> & {
  /** In the order of `facetFields`. */
  readonly fields: readonly Uint16Array[];
  /** How many meanings there were before the rows that were published last. */
  readonly meanings: Int32Array;
};

/** In shared memory. */
export function newFacetColumns(messages: number, reports: number): FacetColumns {
  const column = (length = messages) => new Uint16Array(new SharedArrayBuffer(length * 2));
  return {
    outcome: column(),
    messageCount: column(),
    reportOutcome: column(reports),
    fields: facetFields.map(() => column()),
    meanings: new Int32Array(new SharedArrayBuffer(4)),
  };
}
