import { expect, it } from 'vitest';
import { Unusable } from '../../src/failures.ts';
import { Proofs } from '../../src/senders/proofs.ts';
import type { SenderPage } from '../../src/senders/rows.ts';

const sender = (account: number, page: string, ...sealedAppSecrets: readonly string[]): SenderPage => ({
  ...{ account, page, isWatched: true, sealedAppSecrets, changedAt: 0 },
});

it('secrets → each opened once while its sender has it; one that cannot be → told once, and nobody else’s trouble', () => {
  const opened: string[] = [];
  const told: string[] = [];
  const open = (account: number, page: string, sealed: string) => {
    opened.push(`${account} ${page} ${sealed}`);
    if (sealed === 'damaged') throw new Unusable(`${account} ${page} is damaged`);
    return `opened ${sealed}`;
  };
  const proofs = new Proofs(open, reason => told.push(reason));
  const senders = () => [sender(1, 'p', 'new', 'old'), sender(2, 'p', 'damaged'), sender(2, 'q', 'new')];
  const expected = new Map([
    ['p', ['new', 'old'].map(one => ({ account: 1, appSecret: `opened ${one}` }))],
    ['q', [{ account: 2, appSecret: 'opened new' }]],
  ]);
  for (const _ of [1, 2, 3]) expect(proofs.of(senders())).toEqual(expected);
  expect(opened).toEqual(['1 p new', '1 p old', '2 p damaged', '2 q new']);
  expect(told).toEqual(['2 p is damaged']);
  expect(proofs.of([sender(1, 'p', 'newest', 'new')]).get('p')?.[0]).toEqual({
    ...{ account: 1, appSecret: 'opened newest' },
  });
  expect(opened.slice(4)).toEqual(['1 p newest']);
  expect(proofs.of([])).toEqual(new Map());
});

it('a defect in opening → not taken for a damaged secret', () => {
  const proofs = new Proofs(
    () => {
      throw new TypeError('a defect');
    },
    () => {},
  );
  expect(() => proofs.of([sender(1, 'p', 'one')])).toThrow('a defect');
});
