const letterA = 65;

/** A currency's three capitals as one number. */
export function currencyNumber(currency: string): number {
  return (
    (currency.charCodeAt(0) - letterA) * 676 +
    (currency.charCodeAt(1) - letterA) * 26 +
    currency.charCodeAt(2) -
    letterA
  );
}

export function currencyName(number: number): string {
  return String.fromCharCode(
    letterA + Math.floor(number / 676),
    letterA + (Math.floor(number / 26) % 26),
    letterA + (number % 26),
  );
}
