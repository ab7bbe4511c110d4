import { pino } from 'pino';
import { loadConfig } from '../../src/config.ts';
import { start } from '../../src/main.ts';
import { appSecret, type SendingPlaces, token } from './messages.ts';

const unlimited = '1000000';

/** The whole server, as `sentlog serve` starts it, with the pages set up. */
export async function serveSentlog(where: Readonly<Record<string, string>>, { port, graphPort, pages }: SendingPlaces) {
  const env = {
    ...where,
    SENTLOG_HOST: '127.0.0.1',
    SENTLOG_PORT: String(port),
    SENTLOG_CARRIER: 'graph',
    SENTLOG_GRAPH_URL: `http://127.0.0.1:${graphPort}`,
    SENTLOG_SECRET: 'a-secret-that-is-long-enough-to-be-one',
    SENTLOG_RATE_LIMIT: unlimited,
    SENTLOG_READ_RATE_LIMIT: unlimited,
  };
  const logger = pino({ level: 'warn' }, pino.destination({ dest: 2, sync: true }));
  const { firstKey, stop } = await start(loadConfig({ env, flags: {} }), logger);
  const authorization = `App ${firstKey}`;
  for (const page of pages) {
    const answer = await fetch(`http://127.0.0.1:${port}/manage/1/senders`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ page, token, appSecret }),
    });
    if (!answer.ok) throw new Error(`a page was not taken: ${await answer.text()}`);
    await answer.arrayBuffer();
  }
  return { authorization, stop };
}
