/** What clocks of time zones show, as the server reckons it: the page draws by the same. */
export { clockOf, isTimeZone, momentOf, momentsOf, wallMs } from '../domain/wall-clock.ts';
