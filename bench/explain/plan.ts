/** A step of a plan as it ran; what it read and did is of the step itself, without those below it. */
export type Step = {
  readonly kind: string;
  /** The table or partition that is read or written. */
  readonly relation?: string;
  readonly index?: string;
  /** How often it ran; 0 when its rows were never asked for. */
  readonly loops: number;
  /** That came out of it, all loops together. */
  readonly rows: number;
  /** That it read and threw away. */
  readonly removed: number;
  /** Of a step that writes. */
  readonly operation?: string;
};

/** A statement's plan, with what running it took. */
export type Plan = {
  readonly statement: string;
  readonly durationMs: number;
  /** Pages of 8 KiB that were looked at, in memory or not. */
  readonly buffers: number;
  readonly steps: readonly Step[];
};

const durationPattern = /^duration: ([\d.]+) ms\s+plan:\n/;

/** The plan in a message of auto_explain's, in its JSON format; `undefined` when the message is another one. */
export function planIn(message: string): Plan | undefined {
  const [head, durationMs] = durationPattern.exec(message) ?? [];
  if (head === undefined) return undefined;
  const explained = objectIn(JSON.parse(message.slice(head.length)));
  const root = objectIn(explained.Plan);
  return {
    statement: textIn(explained, 'Query Text') ?? '',
    durationMs: Number(durationMs),
    buffers: numberIn(root, 'Shared Hit Blocks') + numberIn(root, 'Shared Read Blocks'),
    steps: stepsIn(root),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function objectIn(value: unknown): Fields {
  if (typeof value !== 'object' || value === null) throw new TypeError('a plan is not as auto_explain writes it');
  return Object.fromEntries(Object.entries(value));
}

function numberIn(fields: Fields, name: string): number {
  const value = fields[name] ?? 0;
  if (typeof value !== 'number') throw new TypeError(`a plan has ${String(value)} as ${name}`);
  return value;
}

function textIn(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return value === undefined ? undefined : String(value);
}

function stepsIn(fields: Fields): readonly Step[] {
  const loops = numberIn(fields, 'Actual Loops');
  const [relation, index, operation] = ['Relation Name', 'Index Name', 'Operation'].map(name => textIn(fields, name));
  const below = fields.Plans ?? [];
  if (!Array.isArray(below)) throw new TypeError('a plan has no list of what is below a step');
  const step: Step = {
    kind: textIn(fields, 'Node Type') ?? '',
    loops,
    rows: numberIn(fields, 'Actual Rows') * loops,
    removed: (numberIn(fields, 'Rows Removed by Filter') + numberIn(fields, 'Rows Removed by Index Recheck')) * loops,
    ...(relation !== undefined && { relation }),
    ...(index !== undefined && { index }),
    ...(operation !== undefined && { operation }),
  };
  return [step, ...below.flatMap(one => stepsIn(objectIn(one)))];
}

/** The steps that read a table through an index, or its entries in one. */
export function readsOf({ steps }: Plan): readonly Step[] {
  // Of a bitmap the steps that fill it count: what they find is what is read, and more than what is left of it.
  return steps.filter(({ kind }) => kind.endsWith('Scan') && kind !== 'Bitmap Heap Scan' && kind !== 'Subquery Scan');
}

export function rowsRead(plan: Plan): number {
  return readsOf(plan)
    .filter(({ relation, index }) => relation !== undefined || index !== undefined)
    .reduce((sum, { rows, removed }) => sum + rows + removed, 0);
}

/** What the statement answered; of one that writes, what it wrote is not counted. */
export function rowsReturned({ steps: [root] }: Plan): number {
  return root?.rows ?? 0;
}
