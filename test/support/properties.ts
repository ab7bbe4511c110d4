/**
 * Properties are tried with the same values in every run of the suite, so that a red run says something of the change
 * under test. `npm run test:long` names other seeds; a failing property prints its own.
 */
import fc from 'fast-check';

const seed = Number(process.env.PROPERTY_SEED ?? 1);
if (!Number.isInteger(seed)) throw new TypeError('PROPERTY_SEED is not an integer');
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
