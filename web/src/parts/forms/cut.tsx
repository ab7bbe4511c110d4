import { inert } from '../../view/format.ts';

/** Few, since a narrow column has room for some nine in all. */
const endChars = 5;
const wholeChars = 9;

/**
 * A text of one line, whose beginning and end stay in sight where there is no room for all of it: values of one list often
 * begin alike. What is seen of it is drawn by its style, so that it is one text to whoever listens, searches or copies.
 * `title` is all of it, where the text is another form of it.
 */
export function Cut({ text, title = text }: { readonly text: string; readonly title?: string }) {
  if (text.length <= wholeChars) return inert(text);
  // A character of two halves stays whole.
  const half = /^[\udc00-\udfff]/.test(text.slice(-endChars)) ? 1 : 0;
  // A blank after the dots would look like a gap.
  const blanks = /^ */.exec(text.slice(-endChars))?.[0].length ?? 0;
  const at = text.length - endChars - half + blanks;
  return (
    <span
      className="cut"
      title={inert(title, title.length)}
      data-begin={inert(text.slice(0, at))}
      data-end={inert(text.slice(at))}
    >
      <span className="unseen">{inert(text, text.length)}</span>
    </span>
  );
}
