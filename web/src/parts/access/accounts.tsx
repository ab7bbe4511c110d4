import { useQuery } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { readAccounts, UnexpectedAnswer } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { countText, inert, momentText } from '../../view/format.ts';
import { refusalOf } from '../forms/act.ts';
import { Field, given, givenNumber } from '../forms/field.tsx';
import { Made, useMaking } from './adding.tsx';
import { Listed } from './listed.tsx';
import { accountsList } from './lists.ts';

/** All accounts, for whoever manages the first one: that is the operator's. */
export function Accounts() {
  const { api, view } = usePage();
  const { data, error } = useQuery({
    queryKey: [accountsList],
    queryFn: async ({ signal }) => {
      const found = readAccounts(await api.client.call('GET', '/manage/1/accounts', undefined, { signal }));
      if (found === undefined) throw new UnexpectedAnswer('accounts');
      return found;
    },
  });
  return (
    <section className="sheet" aria-labelledby="accounts">
      <h3 id="accounts">All accounts</h3>
      <p className="quiet">Each has a log of its own, and keys and users that see no other.</p>
      {error !== null && <p role="alert">{refusalOf(error)}</p>}
      {data !== undefined && (
        <Listed label="All accounts" heads={['Account', 'Made', 'Requests a minute']}>
          {data.accounts.map(({ name, createdAt, requestsPerMinute }) => (
            <tr key={name}>
              <th scope="row">{inert(name)}</th>
              <td data-head="Made">{momentText(createdAt, view.zone).slice(0, 16)}</td>
              <td data-head="Requests">
                {requestsPerMinute === undefined ? 'as the server is set to' : countText(requestsPerMinute)}
              </td>
            </tr>
          ))}
        </Listed>
      )}
      {data !== undefined && data.more > 0 && <p className="quiet">And {countText(data.more)} older ones.</p>}
      <AddAccount />
    </section>
  );
}

function AddAccount() {
  const making = useMaking('/manage/1/accounts', 'key', accountsList);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    making.make({ name: given(form, 'name'), requestsPerMinute: givenNumber(form, 'requestsPerMinute') });
  };
  return (
    <>
      {making.secret !== undefined && (
        <Made what={`The first key of the account ${inert(making.name ?? '')}`} secret={making.secret} />
      )}
      <details className="adding" open={making.open} onToggle={event => making.setOpen(event.currentTarget.open)}>
        <summary>Make an account</summary>
        {making.open && (
          <form onSubmit={submit}>
            <Field
              label="Name of the account"
              name="name"
              required
              hint="It gets a key that may do everything in it, and nothing elsewhere."
            />
            <Field
              label="Requests a minute to its log"
              name="requestsPerMinute"
              type="number"
              min={1}
              max={1_000_000}
              hint="As many as the server is set to when empty."
            />
            <p role="alert">{making.refusal}</p>
            <button className="primary" type="submit" disabled={making.isPending}>
              Make the account
            </button>
          </form>
        )}
      </details>
    </>
  );
}
