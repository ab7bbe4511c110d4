import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import type { PostgresServer } from '../../test/support/postgres-server.ts';
import { type Plan, planIn } from './plan.ts';

/** Settings of the server whose plans are wanted: it writes a file of JSON, a message a line, into its data folder. */
export const planLogSettings = [
  'logging_collector=on',
  'log_destination=jsonlog',
  'log_rotation_age=0',
  'log_rotation_size=0',
];

const explaining = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_buffers': 'on',
  'auto_explain.log_format': 'json',
  'auto_explain.log_level': 'LOG',
};
const writtenWithinMs = 20_000;
const lookEveryMs = 10;

/** The plans with which statements ran, as the server itself tells them: the very ones that a connection keeps. */
export class PlanLog {
  readonly #folder: string;
  readonly #client: pg.Client;
  #readBytes = 0;
  #marks = 0;

  private constructor(folder: string, client: pg.Client) {
    this.#folder = join(folder, 'data', 'log');
    this.#client = client;
  }

  /** `folder` is the server's. */
  static async open(server: PostgresServer, folder: string, url: string): Promise<PlanLog> {
    return new PlanLog(folder, await server.connect(explained(url)));
  }

  /** The plans of all that ran on explained connections since this was called last. */
  async take(): Promise<readonly Plan[]> {
    const mark = `SELECT 'mark ${++this.#marks}'`;
    await this.#client.query(mark);
    const plans: Plan[] = [];
    for (const end = Date.now() + writtenWithinMs; Date.now() < end; await setTimeout(lookEveryMs)) {
      plans.push(...(await this.#read()));
      const marked = plans.findIndex(plan => plan.statement === mark);
      if (marked >= 0) return plans.slice(0, marked);
    }
    throw new Error('the server did not write its plans down');
  }

  close(): Promise<void> {
    return this.#client.end();
  }

  async #read(): Promise<readonly Plan[]> {
    const name = (await readdir(this.#folder)).find(file => file.endsWith('.json'));
    if (name === undefined) return [];
    const file = await open(join(this.#folder, name));
    try {
      const { size } = await file.stat();
      const { buffer } = await file.read({ buffer: Buffer.alloc(size - this.#readBytes), position: this.#readBytes });
      const whole = buffer.subarray(0, buffer.lastIndexOf('\n') + 1);
      this.#readBytes += whole.length;
      return whole.toString().split('\n').flatMap(plansIn);
    } finally {
      await file.close();
    }
  }
}

/** The address for connections whose plans are to be told. */
export function explained(url: string): string {
  const options = Object.entries(explaining).map(([name, value]) => `-c ${name}=${value}`);
  return `${url}?${new URLSearchParams({ options: options.join(' ') })}`;
}

function plansIn(line: string): readonly Plan[] {
  if (line === '') return [];
  const entry: Readonly<Record<string, unknown>> = JSON.parse(line);
  const plan = planIn(String(entry.message));
  return plan === undefined ? [] : [plan];
}
