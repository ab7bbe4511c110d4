import { Accounts } from '../src/accounts/accounts.ts';
import { SqliteAccountRows } from '../src/accounts/sqlite/account-rows.ts';
import type { EpochMs } from '../src/domain/message.ts';
import type { Case, Preparation, Trial } from './cases/case.ts';
import { batchConnections } from './cases/recording.ts';
import type { LogShape } from './dataset/shape.ts';
import { type Backend, drivers, type Surroundings } from './drivers.ts';
import { LoadGenerator } from './load/generator.ts';
import type { ServerProcess } from './server/handle.ts';
import type { Access, DriverName } from './server/messages.ts';
import { preparationTimeMs, type Sizes } from './sizes.ts';
import { type Measurement, measure, type Participant } from './trials.ts';
import type { Workplace } from './workplace.ts';

const hourMs = 3_600_000;
const spanMs = 48 * hourMs;
/** Longer than the log and the longest bench, so that nothing leaves the log by itself. */
const retentionMs = 30 * 24 * hourMs;

export type BenchOptions = {
  readonly cases: readonly Case[];
  readonly drivers: readonly DriverName[];
  readonly rounds: number;
  readonly sizes: Sizes;
  readonly seed: number;
  readonly spread: LogShape['spread'];
  readonly startedAt: EpochMs;
  /** Whether the server of a log that several cases need goes on from one to the next, which their figures may show. */
  readonly keepServers: boolean;
  /** Told what is going on. */
  progress(line: string): void;
};

export type CaseResult = { readonly case: Case; readonly measurements: readonly Measurement[] };

type PreparedLog = { readonly backend: Backend; readonly shape: LogShape; readonly preparation: Preparation };

/** Runs the cases one after the other; logs that several cases need are recorded once, when the first one needs them. */
export class Bench {
  readonly #options: BenchOptions;
  readonly #surroundings: Surroundings;
  readonly #load: LoadGenerator;
  readonly #logs = new Map<string, Promise<PreparedLog>>();

  private constructor(options: BenchOptions, workplace: Workplace, access: Access, load: LoadGenerator) {
    this.#options = options;
    this.#load = load;
    this.#surroundings = { workplace, access, retentionMs, segmentMessagesMax: options.sizes.segmentMessages };
  }

  static async open(options: BenchOptions, workplace: Workplace): Promise<Bench> {
    return new Bench(options, workplace, await createAccess(workplace), await LoadGenerator.start(workplace));
  }

  /** The results of the cases in their order; throws the first thing that goes wrong. */
  async *run(): AsyncGenerator<CaseResult> {
    for (const one of this.#options.cases) {
      const participants = await this.#participants(one);
      if (participants.length === 0) continue;
      const measurements = await measure(one, participants, one.once ? 1 : this.#options.rounds);
      yield { case: one, measurements };
    }
  }

  async #participants(one: Case): Promise<readonly Participant[]> {
    const names = this.#options.drivers.filter(driver => one.drivers?.includes(driver) ?? true);
    if (one.logs === 'none') return names.map(driver => this.#onNewLog(one, driver));
    const participants: Participant[] = [];
    for (const driver of names) {
      const { largeLog, smallLog, postgresLog } = this.#options.sizes;
      const ofSentlog = one.logs === 'both' ? [largeLog, smallLog] : [largeLog];
      const ofOthers = driver === 'plain-sqlite' ? [smallLog] : [postgresLog];
      for (const messages of driver === 'sentlog' ? ofSentlog : ofOthers)
        participants.push(this.#onPreparedLog(one, driver, await this.#log(driver, messages)));
    }
    return participants;
  }

  #onNewLog(one: Case, driver: DriverName): Participant {
    const messages = one.messages?.(this.#options.sizes, driver) ?? 0;
    const shape = this.#shape(messages);
    const run = async (round: number) => {
      const backend = await drivers[driver].create(this.#surroundings);
      const outcome = await this.#trial(one, { driver, round, backend, shape });
      await backend.remove();
      return outcome;
    };
    return { driver, messages, run };
  }

  #onPreparedLog(one: Case, driver: DriverName, log: PreparedLog): Participant {
    const run = (round: number) => this.#trial(one, { driver, round, ...log });
    return { driver, messages: log.shape.messages, run };
  }

  #trial(one: Case, given: Omit<Trial, 'sizes' | 'load'>) {
    const { driver, round, shape } = given;
    this.#options.progress(`${one.name}: ${driver}, ${shape.messages} messages, round ${round + 1}`);
    return one.run({ ...given, sizes: this.#options.sizes, load: this.#load });
  }

  #log(driver: DriverName, messages: number): Promise<PreparedLog> {
    const key = `${driver} ${messages}`;
    const log = this.#logs.get(key) ?? this.#prepare(driver, messages);
    this.#logs.set(key, log);
    return log;
  }

  async #prepare(driver: DriverName, messages: number): Promise<PreparedLog> {
    const shape = this.#shape(messages);
    this.#options.progress(`recording ${shape.messages} messages on ${driver}`);
    const created = await drivers[driver].create(this.#surroundings);
    const backend = this.#options.keepServers ? keepingServer(created) : created;
    const server = await backend.start();
    const { records } = await this.#load.run(server.port, server.authorization, {
      kind: 'record',
      shape,
      from: 0,
      to: shape.messages,
      batchMessages: this.#options.sizes.batch,
      connections: batchConnections,
      timeMs: preparationTimeMs,
      untilBroken: false,
    });
    if (records !== shape.messages) throw new Error(`${driver} recorded ${records} messages only in the time it had`);
    await backend.quiet();
    const { residentBytes, peakBytes } = await backend.memory(server);
    const diskBytes = await backend.diskBytes();
    await backend.stop(server);
    return { backend, shape, preparation: { residentBytes, peakBytes, diskBytes } };
  }

  #shape(messages: number): LogShape {
    const { seed, spread, startedAt } = this.#options;
    return { seed, firstId: 0, messages, firstSentAt: startedAt - spanMs, spanMs, spread };
  }
}

/** A backend whose server runs on when a case has done with it; one that was killed is started anew. */
function keepingServer(backend: Backend): Backend {
  let unused: ServerProcess | undefined;
  return {
    ...backend,
    start: async () => {
      const server = unused ?? (await backend.start());
      unused = undefined;
      return server;
    },
    stop: async server => {
      unused = server;
    },
  };
}

/** An account of the bench's own, with a key that every server of it takes. */
async function createAccess(workplace: Workplace): Promise<Access> {
  const accountsFile = workplace.newFolder('accounts.sqlite');
  const accounts = new Accounts(new SqliteAccountRows(accountsFile), Date.now);
  try {
    const { name } = await accounts.createAccount('bench');
    const { key } = await accounts.createKey({ account: name });
    return { accountsFile, authorization: `App ${key}` };
  } finally {
    await accounts.close();
  }
}
