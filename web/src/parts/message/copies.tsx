import { useEffect, useMemo, useState } from 'react';
import { inert } from '../../view/format.ts';
import { indented } from '../../view/json-text.ts';

/** More of a hostile message is not laid out; copying gives all of it. */
const shownCharsMax = 100_000;

/** Quoted for a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The key is left for the reader to fill in: a copied command gets around. */
function curlOf(messageId: string): string {
  const url = `${location.origin}/messenger/1/messages/${encodeURIComponent(messageId)}`;
  return `curl -s ${quoted(url)} -H "Authorization: App $SENTLOG_KEY" -H 'Accept: application/json'`;
}

/** `source` is the text of the message as the server gave it. */
export function Copies({ messageId, source }: { readonly messageId: string; readonly source: string }) {
  const [open, setOpen] = useState(false);
  const json = useMemo(() => indented(source), [source]);
  return (
    <>
      <p className="copies">
        <CopyButton label="Copy as JSON" text={json} />
        <CopyButton label="Copy as cURL" text={curlOf(messageId)} />
      </p>
      <details className="raw" onToggle={event => setOpen(event.currentTarget.open)}>
        <summary>Raw JSON</summary>
        {/* It can be scrolled, so it can be focused. */}
        {open && <textarea readOnly aria-label="Raw JSON" value={raw(json)} rows={16} spellCheck={false} />}
      </details>
    </>
  );
}

function raw(json: string): string {
  return json
    .slice(0, shownCharsMax)
    .split('\n')
    .map(line => inert(line, shownCharsMax))
    .join('\n');
}

/** `text` may depend on the moment of the click. */
export function CopyButton({ label, text }: { readonly label: string; readonly text: string | (() => string) }) {
  const [outcome, setOutcome] = useState<string>();
  useEffect(() => {
    if (outcome === undefined) return;
    const timer = setTimeout(() => setOutcome(undefined), 2000);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async () => {
    setOutcome((await copied(typeof text === 'string' ? text : text())) ? 'Copied' : 'Not allowed here');
  };
  return (
    <button type="button" onClick={copy} aria-live="polite">
      {outcome ?? label}
    </button>
  );
}

/** Browsers give the clipboard to pages over https and on localhost only; elsewhere the old way still works. */
async function copied(text: string): Promise<boolean> {
  if (isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}
