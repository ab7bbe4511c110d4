import { DrivenClock } from './driven-clock.ts';
import { graphServer } from './graph-server.ts';
import { SimulatedMeta } from './meta.ts';
import { type AccessTerms, PageAccess } from './page-access.ts';
import type { SimulatorTerms } from './terms.ts';
import { WebhookCaller } from './webhook-caller.ts';

export type GraphTerms = {
  readonly host: string;
  readonly port: number;
  readonly simulator: SimulatorTerms;
  readonly access: AccessTerms;
  /** Where events go; nowhere when absent. */
  readonly webhookUrl?: string;
  readonly note: (reason: string) => void;
};

export type RunningGraph = {
  readonly url: string;
  readonly meta: SimulatedMeta;
  /** Whether all is told of what was sent: no receipt is to come, and no call of the webhook is under way or to be made again. */
  readonly isQuiet: () => boolean;
  readonly close: () => Promise<void>;
};

/** Starts a simulated Meta that listens. */
export async function openGraph({
  host,
  port,
  simulator,
  access,
  webhookUrl,
  note,
}: GraphTerms): Promise<RunningGraph> {
  const clock = new DrivenClock();
  const caller =
    webhookUrl === undefined
      ? undefined
      : new WebhookCaller(clock, { url: webhookUrl, appSecret: access.appSecret }, note);
  const meta = new SimulatedMeta(clock, simulator, event => caller?.take(event));
  const server = graphServer(meta, new PageAccess(access), () => caller?.reset());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the simulated Graph listens nowhere');
  const close = async () => {
    clock.clear();
    caller?.close();
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  };
  const isQuiet = () => clock.waiting === 0 && (caller?.waiting ?? 0) === 0;
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`, meta, isQuiet, close };
}
