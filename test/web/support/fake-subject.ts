import { builtPage } from './browser.ts';
import { FakeServer, fakeKey } from './fake-server.ts';
import { Tabs } from './tabs.ts';

/** The page on a fake server, which the test tells how to behave. */
export class FakeSubject extends Tabs {
  readonly server: FakeServer;
  readonly #remove: () => void;

  private constructor(tabs: ConstructorParameters<typeof Tabs>, server: FakeServer, remove: () => void) {
    super(...tabs);
    this.server = server;
    this.#remove = remove;
  }

  static async start(): Promise<FakeSubject> {
    const browser = await Tabs.browser();
    const { folder, remove } = builtPage();
    const server = new FakeServer(folder);
    await server.listen();
    return new FakeSubject([server.url, fakeKey, browser], server, remove);
  }

  override async end(): Promise<void> {
    await super.end();
    await this.server.close();
    this.#remove();
  }
}
