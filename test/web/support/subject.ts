import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { recorder } from '../../../scripts/demo/recorder.ts';
import { Schedule } from '../../../scripts/demo/schedule.ts';
import { tellPast, tellPresent } from '../../../scripts/demo/tell.ts';
import type { Arrival } from '../../../scripts/demo/traffic.ts';
import { freePort } from '../../support/free-port.ts';
import { ServerHome, type ServerProcess, type Settings } from '../../support/server-process.ts';
import { buildPage, launched } from './browser.ts';
import type { Submission } from './messages.ts';

const chunk = 1000;

/** What changes answers on their way to a tab may be at it still: what it meets once the tab is gone is no fault. */
async function closeContext(context: BrowserContext): Promise<void> {
  await Promise.all(context.pages().map(page => page.unrouteAll({ behavior: 'ignoreErrors' })));
  await context.close();
}

/** A server with a log of its own, and a browser that looks at its page. */
export class Subject {
  readonly home: ServerHome;
  readonly url: string;
  /** May do everything. */
  readonly key: string;
  readonly #browser: Browser;
  readonly #settings: Settings;
  readonly #telling = new AbortController();
  #server: ServerProcess;
  #told: Promise<void> | undefined;

  private constructor(home: ServerHome, server: ServerProcess, browser: Browser, settings: Settings) {
    this.home = home;
    this.url = server.address;
    this.key = (server.firstAuthorization ?? '').replace('App ', '');
    this.#server = server;
    this.#browser = browser;
    this.#settings = settings;
  }

  static async start(settings: Settings = {}): Promise<Subject> {
    buildPage();
    const home = new ServerHome();
    // Once ended, it comes back where it was.
    const all = { SENTLOG_PAGE_RATE_LIMIT: '1000000', SENTLOG_PORT: String(await freePort()), ...settings };
    // First, since it ends with this process: a server does not.
    const browser = await launched();
    return new Subject(home, await home.serve({ settings: all }), browser, all);
  }

  /** Records the traffic of the demo: two days of it, and what goes on from now until the end. */
  async tellTraffic(): Promise<void> {
    const record = recorder(this.url, this.key, { fetch, wait });
    const schedule = new Schedule<Arrival>();
    const present = Date.now();
    await tellPast(record, schedule, present);
    this.#told = tellPresent(record, schedule, present, this.#telling.signal);
  }

  /** Ends the server: in good order, or as a crash does. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#server.end(signal);
  }

  async restart(): Promise<void> {
    this.#server = await this.home.serve({ settings: this.#settings });
  }

  /** Closes every tab: streams that stay open would use up what connections a browser makes to one server. */
  async closeTabs(): Promise<void> {
    await Promise.all(this.#browser.contexts().map(closeContext));
  }

  async end(): Promise<void> {
    this.#telling.abort();
    await this.#told;
    await this.closeTabs();
    await this.#browser.close();
    await this.home.remove();
  }

  /** A name that no other test uses. */
  campaign(): string {
    return `campaign-${randomBytes(5).toString('hex')}`;
  }

  async record(submissions: readonly Submission[]): Promise<void> {
    for (let from = 0; from < submissions.length; from += chunk) {
      const response = await fetch(`${this.url}/messenger/1/logs`, {
        method: 'POST',
        headers: { authorization: `App ${this.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ results: submissions.slice(from, from + chunk) }),
      });
      const text = await response.text();
      if (!response.ok || !text.includes('"rejected":[]')) throw new Error(`not recorded: ${response.status} ${text}`);
    }
  }

  /** A tab with nothing open. */
  async tab(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ locale: 'en-GB', timezoneId: 'Asia/Tokyo', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    return page;
  }

  /** A tab that has signed in by a link, on the view that `search` names. */
  async page(search: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.tab(options);
    await page.goto(`${this.url}/${search}#key=${encodeURIComponent(this.key)}`);
    await page.getByRole('grid').waitFor();
    return page;
  }
}
