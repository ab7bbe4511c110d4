import Type from 'typebox';
import { checkOf } from '../../wire/schema-check.ts';
import type { Check } from '../rows.ts';

const schema = Type.Object({
  at: Type.Integer(),
  from: Type.Integer(),
  until: Type.Integer(),
  messages: Type.Integer(),
  questions: Type.Integer(),
  differences: Type.Integer(),
});
const checker = checkOf(schema);

/** A check as one text, in a column. */
export function writeCheck(check: Check): string {
  return JSON.stringify(check);
}

/** `undefined` for what another version wrote otherwise: the next check takes its place. */
export function readCheck(text: string): Check | undefined {
  const value: unknown = JSON.parse(text);
  return checker.Check(value) ? value : undefined;
}
