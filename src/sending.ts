import type { Principal } from './accounts/authenticator.ts';
import { OpenAuthenticator } from './accounts/open-authenticator.ts';
import type { Config } from './config.ts';
import type { AccountId, EpochMs } from './domain/message.ts';
import type { ManagedSenders, MetaWebhooks } from './http/parts.ts';
import { limits } from './limits.ts';
import { Emulator } from './sender/emulator.ts';
import { ExpiryClock } from './sender/expiry-clock.ts';
import type { AccountPlaces } from './sender/pusher.ts';
import { ReportCaller } from './sender/report-caller.ts';
import { Sender, type SenderDeps } from './sender/sender.ts';
import { anyPage } from './sender/simulated-carrier.ts';
import type { PageAccounts } from './sender/watching.ts';
import type { ReportPlaces } from './senders/report-places.ts';
import type { SenderPage } from './senders/rows.ts';
import type { SimulatorTerms } from './simulator/terms.ts';
import type { Storage } from './storage/storage.ts';
import { tracedCarrier, tracedReports } from './telemetry/traced.ts';
import type { Tracing } from './tracing.ts';
import { present } from './wire/present.ts';

type Note = (level: 'info' | 'warn' | 'error', message: string, detail: object) => void;

/** What sends, and what is heard of it: from Meta, or from what plays Meta. */
export type Sending = {
  readonly sender: Sender;
  readonly webhooks?: MetaWebhooks;
  /** Only where senders are set up: a simulated Meta takes any. */
  readonly senders?: ManagedSenders;
  readonly emulator?: Emulator;
  readonly clock: () => EpochMs;
  readonly close: () => Promise<void>;
};

/** Opens the outbox and begins to send; `undefined` when the server has no carrier. */
export async function openSending(
  config: Config,
  storage: Storage,
  simulator: SimulatorTerms,
  note: Note,
  tracing?: Tracing,
): Promise<Sending | undefined> {
  if (config.carrier === 'none') return undefined;
  await using parts = new AsyncDisposableStack();
  const outbox = parts.adopt(await storage.openOutbox(), one => one.close());
  const caller = parts.adopt(new ReportCaller(config.pushNetworks), one => one.close());
  const common = {
    outbox,
    store: storage.store,
    retentionMs: config.retentionMs,
    places: accountPlaces(storage.reportPlaces),
    call: tracing === undefined ? caller.call : tracedReports(caller.call, tracing),
    retentionOf: storage.retentions.of,
    note,
  };
  const sending =
    config.carrier === 'graph'
      ? await overGraph(config, storage, common, parts, tracing)
      : overSimulator(simulator, common, parts, tracing);
  await sending.sender.start();
  const opened = parts.move();
  return { ...sending, close: () => opened.disposeAsync() };
}

function accountPlaces(places: ReportPlaces): AccountPlaces {
  return {
    subscribed: async () =>
      (await places.known()).map(({ account, deliveryUrl, seenUrl }) => ({
        account,
        delivery: deliveryUrl !== undefined,
        seen: seenUrl !== undefined,
      })),
    place: async account => {
      const found = (await places.known()).find(one => one.account === account);
      return found && { ...found, ...present({ secret: places.secretOf(found) }) };
    },
  };
}
type Common = Pick<SenderDeps, 'outbox' | 'store' | 'retentionMs' | 'retentionOf' | 'places' | 'call' | 'note'>;

function overSimulator(
  terms: SimulatorTerms,
  common: Common,
  parts: AsyncDisposableStack,
  tracing: Tracing | undefined,
): Omit<Sending, 'close'> {
  const heard = (message: string, detail: object) => common.note('warn', message, detail);
  const emulator = parts.adopt(new Emulator(terms, heard), async one => one.close());
  const clock = emulator.clock.now;
  // Traced as sends over Meta are: who tests with it sees what there will be to see.
  const carrier = tracing === undefined ? emulator.carrier : tracedCarrier(emulator.carrier, tracing);
  const sender = parts.adopt(new Sender({ ...common, carrier, pages: anyPage, clock }), one => one.close());
  emulator.join(sender);
  return { sender, emulator, clock };
}

/** What plays Meta needs no HTTP client, and does not load one. */
async function overGraph(
  config: Config,
  { senders, sweepClock }: Storage,
  common: Common,
  parts: AsyncDisposableStack,
  tracing: Tracing | undefined,
): Promise<Omit<Sending, 'close'>> {
  const { GraphCalls } = await import('./sender/graph-calls.ts');
  const { checkPage, configuredPages, GraphCarrier } = await import('./sender/graph-carrier.ts');
  const place = { url: config.graphUrl, version: config.graphVersion };
  const calls = parts.adopt(new GraphCalls(place, tracing && (() => tracing.headers())), one => one.close());
  const graph = new GraphCarrier(calls, senders);
  const carrier = tracing === undefined ? graph : tracedCarrier(graph, tracing);
  const pages = configuredPages(senders);
  const expiry = new ExpiryClock(Date.now(), {
    holdMs: Math.min(limits.expiryHoldMs, config.sweepHoldMs),
    seen: await sweepClock.seen(),
    monotonicMs: () => performance.now(),
    note: leap => common.note('warn', 'the clock leapt: until it is believed, no message expires by it', leap),
  });
  const sender = parts.adopt(new Sender({ ...common, carrier, pages, clock: Date.now, expiry }), one => one.close());
  const webhooks = {
    verifyToken: config.webhookVerifyToken,
    prove: (pages: readonly string[], isSignedWith: (secret: string) => boolean) => senders.signed(pages, isSignedWith),
    isOurs: (pages: readonly string[], isSignedWith: (secret: string) => boolean) =>
      senders.signedElsewhere(pages, isSignedWith),
    receive: (body: unknown, proven: PageAccounts, leftOut: number) => sender.receive(body, proven, leftOut),
  };
  const managed = { senders, check: (one: SenderPage) => checkPage(place, one.page, senders.keys(one)) };
  return { sender, webhooks, senders: managed, clock: Date.now };
}

/**
 * An emulator for everybody: any credential is let in, to an account that is a new one after each reset. An account sees
 * nothing of another, so the log of a new one is empty.
 */
export async function openToAll({ accounts }: Storage, { emulator, sender }: Sending): Promise<OpenAuthenticator> {
  let runs = 0;
  const begin = async (): Promise<Principal> => {
    const { id, name } = await accounts.createAccount(`emulator ${Date.now()}-${++runs}`);
    return { account: { id, name }, scopes: ['messenger:manage'], binding: {} };
  };
  let principal = await begin();
  emulator?.join(sender, async (account: AccountId) => {
    if (account === principal.account.id) principal = await begin();
  });
  return new OpenAuthenticator(() => principal);
}
