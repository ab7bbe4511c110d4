import { useState } from 'react';
import { type Api, apiWithKey } from '../../api/api.ts';
import { refusalToSignIn } from '../../api/trouble.ts';
import type { Link } from '../../session.ts';
import { inert } from '../../view/format.ts';
import { Dialog } from '../forms/dialog.tsx';

/** Asks whoever is signed in whether a link may take them to another account. */
export function OtherAccount(props: {
  readonly link: Link;
  readonly account: string;
  readonly onStay: () => void;
  readonly onSignedIn: (api: Api) => void;
}) {
  const { link, account, onStay, onSignedIn } = props;
  const [refusal, setRefusal] = useState('refusal' in link ? link.refusal : undefined);
  const [busy, setBusy] = useState(false);
  const go = async (key: string) => {
    setBusy(true);
    try {
      onSignedIn(await apiWithKey(key));
    } catch (error) {
      setRefusal(refusalToSignIn(error, 'key'));
    }
  };
  const own = <strong>{inert(account)}</strong>;
  const isOpen = refusal === undefined && 'key' in link;
  return (
    <Dialog label={isOpen ? 'Another account?' : 'The link does not work'} onClose={onStay}>
      {isOpen ? (
        <p>
          You are signed in to the account {own}. The link signs you in to the account{' '}
          <strong>{inert(link.account)}</strong>, and out of yours.
        </p>
      ) : (
        <p>
          {refusal} You stay signed in to the account {own}.
        </p>
      )}
      <p className="actions">
        <button type="button" className="primary" onClick={onStay}>
          Stay in {inert(account, 40)}
        </button>
        {isOpen && (
          <button type="button" disabled={busy} onClick={() => go(link.key)}>
            Go to {inert(link.account, 40)}
          </button>
        )}
      </p>
    </Dialog>
  );
}
