const charsMax = 2048;

/** What is wrong with an address that reports are to be pushed to; `undefined` when it can be called. */
export function webhookUrlFlaw(text: string): string | undefined {
  const url = URL.parse(text);
  // It is kept in the form that is called, which may be longer.
  if (url === null || !/^https?:$/.test(url.protocol) || Math.max(text.length, url.href.length) > charsMax)
    return `must be an http or https address of at most ${charsMax} characters`;
  if (!isDecodable(url.username) || !isDecodable(url.password))
    return 'must have a user and password that are percent-encoded UTF-8';
  return undefined;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
