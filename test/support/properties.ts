/**
 * Properties are tried with the same values in every run of the suite, so that a red run says something of the change
 * under test. `npm run test:long` names other seeds; a failing property prints its own.
 */
import fc from 'fast-check';

const seed = Number(process.env.PROPERTY_SEED ?? 1);
if (!Number.isInteger(seed)) throw new TypeError('PROPERTY_SEED is not an integer');
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });

/** Whether the time is there for every engine, every case and every size: in `npm run test:long`. */
export const isThorough = process.env.PROPERTY_SEED !== undefined;

/** How often a property is tried that takes long: less often where the values are always the same. */
export const runs = (thorough: number): number => (isThorough ? thorough : Math.ceil(thorough / 6));
