import { randomBytes } from 'node:crypto';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { launched } from './browser.ts';
import type { Submission } from './messages.ts';

const chunk = 1000;

/** Tabs of a browser on one server. */
export class Tabs {
  readonly url: string;
  readonly key: string;
  readonly #browser: Browser;

  constructor(url: string, key: string, browser: Browser) {
    this.url = url;
    this.key = key;
    this.#browser = browser;
  }

  static browser(): Promise<Browser> {
    return launched();
  }

  /** Closes every tab: streams that stay open would use up what connections a browser makes to one server. */
  async closeTabs(): Promise<void> {
    await Promise.all(this.#browser.contexts().map(context => context.close()));
  }

  async end(): Promise<void> {
    await this.#browser.close();
  }

  /** A name that no other test and no other run uses. */
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
      if (!response.ok) throw new Error(`could not record: ${response.status} ${await response.text()}`);
    }
  }

  /** A tab with nothing open. */
  async tab(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ locale: 'en-GB', timezoneId: 'Asia/Tokyo', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
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
