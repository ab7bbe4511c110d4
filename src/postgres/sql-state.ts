/** Classes of SQLSTATE for values that a statement does not take: not of their type, against a rule, beyond a limit. */
const ofValues = /^(?:22|23|54)[0-9A-Z]{3}$/;

/**
 * Whether a statement of PostgreSQL failed by the values that it was given. No other error has such a code, so that a server
 * without a database need not load the driver to ask.
 */
export function isOfValues(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && ofValues.test(error.code);
}
