/**
 * A browser started without a proper locale names its language `en-US@posix`, which `Intl` refuses. The chart's library
 * asks for a number format in that language as it loads: the whole page would stay empty.
 */
function isKnownLanguage(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

if (!isKnownLanguage(navigator.language)) Object.defineProperty(navigator, 'language', { value: 'en-GB' });
