import { randomBytes } from 'node:crypto';
import type { Authenticator, Principal } from './authenticator.ts';

/** Lets everybody in who says who they are, whoever that is: for an emulator, where no secret is worth keeping. */
export class OpenAuthenticator implements Authenticator {
  readonly #principal: () => Principal;

  constructor(principal: () => Principal) {
    this.#principal = principal;
  }

  async authenticate(authorization: string): Promise<Principal | undefined> {
    return /^(?:App|Basic|Bearer|IBSSO) +\S/i.test(authorization) ? this.#principal() : undefined;
  }

  async issueToken(): Promise<{ accessToken: string; expiresInS: number }> {
    return { accessToken: randomBytes(24).toString('base64url'), expiresInS: 3600 };
  }

  async createSession(): Promise<{ token: string }> {
    return { token: randomBytes(24).toString('base64url') };
  }

  async ready(): Promise<void> {}

  async endSession(): Promise<boolean> {
    return true;
  }
}
