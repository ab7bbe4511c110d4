import { expect, onTestFinished, test } from 'vitest';
import { kept, MirrorSetup } from '../support/mirror-setup.ts';

test('killed twenty times while it catches up and follows, answers slow, cut, lost and refused → the other side, message by message', async () => {
  const setup = await MirrorSetup.open();
  onTestFinished(() => setup.close());
  const sentlog = await setup.killWhileMirroring(20, 12_000, { slow: 0.7, cut: 0.03, lost: 0.03, unavailable: 0.03 });
  expect((await kept(setup.home.calls(sentlog))).size).toBe(12_000 + 20 * 40);
});
