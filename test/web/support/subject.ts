import { FakeSubject } from './fake-subject.ts';
import { Tabs } from './tabs.ts';

/** The server whose page is tested: the one that `SENTLOG_PAGE_URL` and `SENTLOG_PAGE_KEY` name, else a fake one. */
export async function startedSubject(): Promise<Tabs> {
  const { SENTLOG_PAGE_URL: url, SENTLOG_PAGE_KEY: key } = process.env;
  if (url === undefined || key === undefined) return FakeSubject.start();
  return new Tabs(url.replace(/\/$/, ''), key, await Tabs.browser());
}
