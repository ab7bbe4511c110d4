import type { Price } from '../../../src/client/index.ts';

const decimalsUsual = 2;
const decimalsMax = 6;
/** Of an amount that would be 0 with these. */
const tinyDecimalsMax = 12;

const minima = new Map<string, number>();

/** As many as amounts of a currency are written with everywhere: yen have none. */
function decimalsMin(currency: string): number {
  const known = minima.get(currency);
  if (known !== undefined) return known;
  // Names that are no currency's are taken as well.
  const isName = /^[A-Z]{3}$/.test(currency);
  const format = isName ? new Intl.NumberFormat('en-GB', { style: 'currency', currency }) : undefined;
  const decimals = format?.resolvedOptions().minimumFractionDigits ?? decimalsUsual;
  minima.set(currency, decimals);
  return decimals;
}

/** As many as an amount needs, so that amounts below one another have their points below one another. */
function decimalsOf(amount: number, currency: string): number {
  // What a double has beyond twelve digits comes of adding up.
  const sound = Number(amount.toPrecision(12));
  const most = Math.abs(sound) < 10 ** -decimalsMax ? tinyDecimalsMax : decimalsMax;
  const [, fraction = ''] = sound.toFixed(most).split('.');
  return Math.max(decimalsMin(currency), fraction.replace(/0+$/, '').length);
}

/** How many decimals amounts of each currency are shown with: as many as any price needs that has been seen. */
export class Decimals {
  readonly #byCurrency = new Map<string, number>();

  see(price: Price | undefined): void {
    if (price === undefined) return;
    const { currency, pricePerMessage } = price;
    const needed = decimalsOf(pricePerMessage, currency);
    if (needed > this.of(currency)) this.#byCurrency.set(currency, needed);
  }

  of(currency: string): number {
    return this.#byCurrency.get(currency) ?? decimalsMin(currency);
  }
}

const formats = Array.from({ length: tinyDecimalsMax + 1 }, (_, decimals) => {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return new Intl.NumberFormat('en-GB', digits);
});

/** An amount, `decimals` being those of its currency. */
export function moneyText(amount: number, currency: string, decimals: number): string {
  return `${formats[decimals]?.format(amount) ?? amount} ${currency}`;
}

export function priceText(price: Price, decimals?: Decimals): string {
  const { pricePerMessage, currency } = price;
  return moneyText(
    pricePerMessage,
    currency,
    Math.max(decimalsOf(pricePerMessage, currency), decimals?.of(currency) ?? 0),
  );
}

/** A sum of many: what it has behind the decimals of a single price comes of adding up. */
export function sumText(sum: number, currency: string, decimals: Decimals): string {
  const places = decimals.of(currency);
  const isLost = sum !== 0 && Math.abs(sum) < 10 ** -places;
  return moneyText(sum, currency, isLost ? decimalsOf(sum, currency) : places);
}
