import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Unusable } from '../../src/failures.ts';
import { Secrets } from '../../src/secrets.ts';

const secretText = fc.string({ minLength: 32, maxLength: 60 });
const first = 'a secret that is long enough, the first';
const second = 'a secret that is long enough, the second';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(Unusable);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('was not refused');
}

describe('sealing', () => {
  test('any text for any owner → comes back, and shows nowhere in what is kept', () => {
    fc.assert(
      fc.property(secretText, fc.string({ unit: 'grapheme' }), fc.string(), (secret, plain, owner) => {
        const sealed = new Secrets([secret]).seal(plain, owner);
        expect(new Secrets([secret]).open(sealed, owner)).toBe(plain);
        expect(sealed).toMatch(/^[\w.-]+$/);
        if (plain.length > 8) expect(sealed).not.toContain(plain);
      }),
    );
  });

  test('the same text twice → differs', () => {
    const secrets = new Secrets([first]);
    expect(secrets.seal('key', 'mirror 1')).not.toBe(secrets.seal('key', 'mirror 1'));
  });

  test('another owner → refused', () => {
    const secrets = new Secrets([first]);
    expect(refusal(() => secrets.open(secrets.seal('key', 'mirror 1'), 'mirror 2'))).toBe(
      'what is kept as mirror 2 is damaged, or was not sealed for it',
    );
  });

  test('any change of what is kept → refused, never another text', () => {
    const secrets = new Secrets([first]);
    const sealed = secrets.seal('the key of an account', 'mirror 1');
    const place = fc.nat(sealed.length - 1);
    fc.assert(
      fc.property(place, fc.string({ maxLength: 2 }), (at, other) => {
        const changed = sealed.slice(0, at) + other + sealed.slice(at + 1);
        // Of the last character of base64 some bits say nothing.
        const same = (text: string) => Buffer.from(text.slice(17), 'base64url').toString('hex') + text.slice(0, 17);
        fc.pre(same(changed) !== same(sealed));
        refusal(() => secrets.open(changed, 'mirror 1'));
      }),
    );
  });
});

describe('changing the secret', () => {
  test('the new one named first → seals, and what the old one sealed still opens', () => {
    const sealed = new Secrets([first]).seal('key', 'mirror 1');
    const both = new Secrets([second, first]);
    expect(both.open(sealed, 'mirror 1')).toBe('key');
    expect(both.isCurrent(sealed)).toBe(false);
    const again = both.seal('key', 'mirror 1');
    expect(both.isCurrent(again)).toBe(true);
    expect(new Secrets([second]).open(again, 'mirror 1')).toBe('key');
  });

  test('the old one taken away too soon → refused by the name of the setting', () => {
    const sealed = new Secrets([first]).seal('key', 'mirror 1');
    expect(refusal(() => new Secrets([second]).open(sealed, 'mirror 1'))).toBe(
      'mirror 1 was sealed under another secret than SENTLOG_SECRET names: name that one too, after a comma',
    );
  });

  test('no secret → refused by the name of the setting, and told before', () => {
    const none = new Secrets([]);
    expect(none.areGiven).toBe(false);
    expect(refusal(() => none.seal('key', 'mirror 1'))).toContain('SENTLOG_SECRET is not set');
    const sealed = new Secrets([first]).seal('key', 'mirror 1');
    expect(refusal(() => none.open(sealed, 'mirror 1'))).toContain('SENTLOG_SECRET is not set');
  });
});
