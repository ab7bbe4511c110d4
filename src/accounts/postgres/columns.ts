import type { Binding } from '../../domain/message.ts';
import { type Cell, integer, optional, text } from '../../postgres/cells.ts';
import type { Used } from '../rows.ts';

export function bytes(cell: Cell): Uint8Array {
  if (!(cell instanceof Uint8Array)) throw new TypeError(`${typeof cell} is no bytes`);
  return cell;
}

/** The same bytes as the driver takes them. */
export function buffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

export function bindingOf(application: Cell, entity: Cell): Binding {
  const applicationId = optional(application, text);
  const entityId = optional(entity, text);
  return { ...(applicationId !== undefined && { applicationId }), ...(entityId !== undefined && { entityId }) };
}

export function usedOf(uses: Cell, last: Cell): Used {
  const lastUsedAt = optional(last, integer);
  return { uses: integer(uses), ...(lastUsedAt !== undefined && { lastUsedAt }) };
}
