/** `definition`: its columns and the rest, as they stand behind the name of a table. */
export type PartitionedIndex = { readonly name: string; readonly table: string; readonly definition: string };

/** The statement that makes the index of the whole table. */
export function indexStatement({ name, table, definition }: PartitionedIndex): string {
  return `CREATE INDEX ${name} ON ${table} ${definition};\n`;
}

/**
 * Messages by their error, those that have one; and reports by the error that they found (see `report-text.ts`), by which a walk
 * finds the messages that lost it since. A program of before has both kept for it, and reads neither.
 */
export const errorIndexes: readonly PartitionedIndex[] = [
  {
    name: 'message_error',
    table: 'message',
    definition: '(account_id, error_key, sent_at, number) WHERE error_key <> 0',
  },
  {
    name: 'report_error',
    table: 'report',
    definition: `(account_id, (split_part(state_before, ',', 2)), tx) WHERE split_part(state_before, ',', 2) <> '"e":0'`,
  },
];
