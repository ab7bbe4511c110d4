import type { EpochMs } from '../../domain/message.ts';
import type { Grant } from '../rows.ts';
import type { Use } from '../uses.ts';

/** The accounts file, and which one that is. */
export type GrantStart = { readonly path: string; readonly identity: string | undefined };

/** What the writing thread is asked for. */
export type GrantRequest =
  | { readonly id: number; readonly action: 'add'; readonly grant: Grant; readonly now: EpochMs }
  | { readonly id: number; readonly action: 'end-session'; readonly tokenHash: Uint8Array }
  | { readonly id: number; readonly action: 'use'; readonly uses: readonly Use[] };

/** `changed` tells whether there was anything to end. */
export type GrantReply =
  | { readonly id: number; readonly changed: boolean }
  | { readonly id: number; readonly failure: string };
