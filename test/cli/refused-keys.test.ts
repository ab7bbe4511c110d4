import { expect, test } from 'vitest';
import { answering, launcher, oneLine, refusal, run, sendJson } from './run.ts';

test.each([
  [['query'], 'messenger:logs:read'],
  [['tail'], 'messenger:logs:read'],
  [['import', launcher], 'messenger:logs:write'],
])('%j with a key that may not → which scope it lacks, and where another is given', async (words, scope) => {
  const url = await answering(({ response }) => sendJson(response, refusal(403), 403));
  const { code, stderr } = await run([...words, '--url', url, '--key', 'k']);
  expect(code).toBe(1);
  expect(oneLine(stderr.replace(/^0 recorded.*\n/, ''))).toBe(
    `sentlog: E403 Refused. The key lacks the scope ${scope}: --key or SENTLOG_KEY gives another; ` +
      `\`sentlog keys list\` shows what each may do, and \`sentlog keys create --scope ${scope}\` makes one.`,
  );
});
