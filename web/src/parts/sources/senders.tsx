import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { isRecord } from '../../../../src/client/errors.ts';
import { readSenders, type Sender, UnexpectedAnswer } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { inert, momentText } from '../../view/format.ts';
import { priceText } from '../../view/money.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Confirm } from '../forms/confirm.tsx';
import { Field, given, givenNumber } from '../forms/field.tsx';
import { Section } from './section.tsx';

export const sendersList = 'senders';
const path = '/manage/1/senders';

export function useSenders(enabled = true) {
  const { api } = usePage();
  return useQuery({
    queryKey: [sendersList],
    queryFn: async ({ signal }) => {
      const found = readSenders(await api.client.call('GET', path, undefined, { signal }));
      if (found === undefined) throw new UnexpectedAnswer('a list of senders');
      return found;
    },
    enabled,
    refetchInterval: 5000,
  });
}

/** The Facebook pages that this account sends over. */
export function Senders() {
  return (
    <Section
      heading="Senders"
      words="The Facebook pages that this account sends over, or watches: what others send over a watched page is in the log as well, without what it cost and what was never sent, which Meta does not tell."
      none="There is no sender yet: messages to be sent are refused."
      found={useSenders()}
      keyOf={({ page }) => page}
      card={sender => <SenderCard sender={sender} />}
      adding={<AddSender />}
    />
  );
}

function SenderCard({ sender }: { readonly sender: Sender }) {
  const { view } = usePage();
  const { page, name, price, paused, changedAt, isWatched, sends } = sender;
  const [removing, checking] = [useAct(sendersList), useAct(sendersList)];
  const own = `${path}/${encodeURIComponent(page)}` as const;
  const checked = isRecord(checking.data) ? (checking.data.failure ?? 'It can be used.') : undefined;
  return (
    <article className="card" aria-label={`Sender ${page}`}>
      <header>
        <h4>{inert(name ?? page)}</h4>
        <span className={`state state-${paused === undefined ? 'following' : 'in-trouble'}`}>
          {paused !== undefined ? 'paused' : sends ? 'ready' : 'watched'}
        </span>
        <span className="quiet">
          {name === undefined ? '' : `${inert(page)}, `}
          {isWatched && sends ? 'watched, ' : ''}
          {price === undefined ? '' : `${priceText(price)} a message, `}changed{' '}
          {momentText(changedAt, view.zone).slice(0, 19)}
        </span>
      </header>
      {paused !== undefined && <p className="note note-bad">{inert(paused, 500)}</p>}
      <p className="quiet">
        In the app’s settings at Meta the webhook is <code>{location.origin}/webhooks/meta</code>, with the page
        subscribed to message_deliveries, message_reads and message_echoes.
      </p>
      <p className="actions">
        <button
          type="button"
          disabled={checking.isPending || !sends}
          onClick={() => checking.mutate({ method: 'POST', path: `${own}/check` })}
        >
          {checking.isPending ? 'Asking Meta …' : 'Check'}
        </button>
        <Confirm
          label="Remove"
          question="Messages that wait for it fail. Remove the sender?"
          onConfirm={() => removing.mutate({ method: 'DELETE', path: own })}
        />
      </p>
      <p role="status">{typeof checked === 'string' ? inert(checked, 500) : ''}</p>
      <p role="alert">{refusals(removing.error, checking.error)}</p>
    </article>
  );
}

function refusals(...errors: readonly (Error | null)[]): string {
  return errors.flatMap(error => (error === null ? [] : [refusalOf(error)])).join('; ');
}

function AddSender() {
  const [open, setOpen] = useState(false);
  const act = useAct(sendersList);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const pricePerMessage = givenNumber(form, 'price');
    const currency = given(form, 'currency')?.toUpperCase();
    const watching = given(form, 'isWatched');
    const body = {
      page: given(form, 'page'),
      name: given(form, 'name'),
      token: given(form, 'token'),
      appSecret: given(form, 'appSecret'),
      ...(watching !== undefined && { isWatched: watching === 'yes' }),
      ...((pricePerMessage !== undefined || currency !== undefined) && { price: { pricePerMessage, currency } }),
    };
    act.mutate({ method: 'POST', path, body }, { onSuccess: () => setOpen(false) });
  };
  return (
    <details className="adding" open={open} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>Add a sender, or change one</summary>
      <form onSubmit={submit}>
        <Field
          label="Id of the page"
          name="page"
          required
          inputMode="numeric"
          pattern="[0-9]{1,64}"
          hint="Of a page that is there already, what is left empty stays as it was."
        />
        <Field label="Name" name="name" hint="To be shown." />
        <Field
          label="Page access token"
          name="token"
          type="password"
          hint="With the permission pages_messaging; none for a page that is only watched."
        />
        <Field
          label="Secret of the app"
          name="appSecret"
          type="password"
          required
          hint="Both are kept encrypted, and never shown again."
        />
        <Field label="Price of a message" name="price" type="number" min={0} step="any" hint="For the log." />
        <Field label="Currency" name="currency" pattern="[A-Za-z]{3}" placeholder="EUR" />
        <Watching />
        <p role="alert">{act.error === null ? '' : refusalOf(act.error)}</p>
        <button className="primary" type="submit" disabled={act.isPending}>
          Add
        </button>
      </form>
    </details>
  );
}

/** Whether the page is to be watched. Only by choice is it no longer: what comes then is lost to the log. */
function Watching() {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>What others send over it</label>
      <select id={id} name="isWatched" aria-describedby={`${id}hint`}>
        <option value="">As before: of a new page not in the log</option>
        <option value="yes">Watch it: in the log as well</option>
        <option value="no">Do not watch it: not in the log</option>
      </select>
      <small id={`${id}hint`} className="quiet">
        What is sent while it is not watched cannot be had later.
      </small>
    </div>
  );
}
