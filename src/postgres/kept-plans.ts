import { type ClientBase, type Connection, Query } from 'pg';

/** Statements of which there are many, that a connection keeps the plans of. */
export const keptPlansMax = 100;

/** What each connection keeps, by name: used longest ago first. */
const kept = new WeakMap<ClientBase, Set<string>>();

/**
 * Says that a connection is about to use one of many statements; it forgets another where it keeps too many. What it sends for
 * that it has sent when this returns.
 */
export async function keepPlan(client: ClientBase, name: string): Promise<void> {
  const names = kept.get(client) ?? new Set();
  kept.set(client, names);
  names.delete(name);
  names.add(name);
  const [oldest] = names;
  if (names.size <= keptPlansMax || oldest === undefined) return;
  names.delete(oldest);
  await new Promise<void>((resolve, reject) => {
    client.query(new Closing(oldest, error => (error ? reject(error) : resolve())));
  });
}

/** The protocol's own end of a prepared statement, which does not mind one that could not be prepared. */
class Closing extends Query {
  /** Called by the driver when its turn has come. */
  override submit: (connection: Connection) => void;

  constructor(name: string, done: (error: Error | null | undefined) => void) {
    super({ text: '' }, done);
    this.submit = connection => {
      connection.close({ type: 'S', name }, true);
      connection.sync();
      // What the driver takes for prepared; its types do not tell of it.
      for (const field of ['parsedStatements', 'submittedNamedStatements']) {
        const statements: unknown = Reflect.get(connection, field);
        if (typeof statements === 'object' && statements !== null) Reflect.deleteProperty(statements, name);
      }
    };
  }
}
