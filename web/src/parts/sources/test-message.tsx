import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { isRecord } from '../../../../src/client/errors.ts';
import { usePage } from '../../page-context.ts';
import { inert } from '../../view/format.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Field, given } from '../forms/field.tsx';
import { type ContentField, type ContentForm, contentForms, hasQuickReplies } from './contents.ts';
import { useSenders } from './senders.tsx';

const path = '/messenger/1/messages';

/** The form's choices as the body of a request. */
function requestOf(form: FormData, kind: ContentForm): object {
  const texts = Object.fromEntries(kind.fields.map(({ name }) => [name, String(form.get(`content-${name}`) ?? '')]));
  const reply = given(form, 'quickReply');
  return {
    messages: [
      {
        sender: given(form, 'sender'),
        destinations: [{ to: given(form, 'to') }],
        content: kind.content(texts),
        ...(reply !== undefined && { quickReplies: [{ type: 'TEXT', title: reply, payload: reply }] }),
        options: { campaignReferenceId: 'test message' },
      },
    ],
  };
}

/** Sends one message of any kind, to see what comes of it. */
export function TestMessage({ emulated }: { readonly emulated: boolean }) {
  const [kind, setKind] = useState(contentForms[0]);
  const act = useAct('none');
  const id = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (kind === undefined) return;
    act.mutate({ method: 'POST', path, body: requestOf(new FormData(event.currentTarget), kind) });
  };
  return (
    <section className="sheet" aria-labelledby={`${id}head`}>
      <h3 id={`${id}head`}>Send a test message</h3>
      {emulated && (
        <p className="quiet">
          Nothing leaves this server: the name of the destination says what becomes of the message.
        </p>
      )}
      <form className="test-message" onSubmit={submit}>
        <Who emulated={emulated} />
        <label className="field">
          <span>Content</span>
          <select
            value={kind?.name}
            onChange={event => setKind(contentForms.find(({ name }) => name === event.target.value))}
          >
            {contentForms.map(({ name, label }) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        </label>
        {kind?.fields.map(field => (
          <ContentInput key={`${kind.name} ${field.name}`} field={field} />
        ))}
        {kind !== undefined && hasQuickReplies(kind) && (
          <Field label="Quick reply" name="quickReply" hint="Offered below the message; may be left empty." />
        )}
        <div className="actions">
          <button className="primary" type="submit" disabled={act.isPending}>
            {act.isPending ? 'Sending …' : 'Send'}
          </button>
        </div>
      </form>
      <p role="alert">{act.error === null ? '' : refusalOf(act.error)}</p>
      <div role="status">{act.isSuccess && <Sent answer={act.data} />}</div>
    </section>
  );
}

/** Who sends to whom. */
function Who({ emulated }: { readonly emulated: boolean }) {
  const id = useId();
  const { data: senders } = useSenders(!emulated);
  const destinations = useDestinations(emulated);
  return (
    <>
      <Field
        label="Sender"
        name="sender"
        required
        list={`${id}senders`}
        defaultValue={emulated ? 'my-page' : (senders?.[0]?.page ?? '')}
      />
      <datalist id={`${id}senders`}>
        {senders?.map(({ page, name }) => (
          <option key={page} value={page} label={name ?? page} />
        ))}
      </datalist>
      <Field
        label="Destination"
        name="to"
        required
        list={`${id}to`}
        defaultValue={emulated ? 'seen' : ''}
        hint={emulated ? undefined : 'The page-scoped id of a person.'}
      />
      <datalist id={`${id}to`}>
        {destinations.map(({ name, outcome }) => (
          <option key={name} value={name} label={outcome} />
        ))}
      </datalist>
    </>
  );
}

function ContentInput({ field }: { readonly field: ContentField }) {
  const { name, label, preset, kind, choices } = field;
  if (kind === 'long')
    return (
      <label className="field wide">
        <span>{label}</span>
        <textarea name={`content-${name}`} rows={2} defaultValue={preset} required />
      </label>
    );
  if (choices === undefined)
    return (
      <Field
        label={label}
        name={`content-${name}`}
        defaultValue={preset}
        required
        {...(kind !== undefined && { type: kind })}
        {...(kind === 'number' && { step: 'any' })}
      />
    );
  return (
    <label className="field">
      <span>{label}</span>
      <select name={`content-${name}`} defaultValue={preset}>
        {choices.map(choice => (
          <option key={choice}>{choice}</option>
        ))}
      </select>
    </label>
  );
}

type Destination = { readonly name: string; readonly outcome: string };

function isDestination(value: unknown): value is Destination {
  return isRecord(value) && typeof value.name === 'string' && typeof value.outcome === 'string';
}

/** The names that say what becomes of a message, where nothing is sent. */
function useDestinations(emulated: boolean): readonly Destination[] {
  const { api } = usePage();
  const { data } = useQuery({
    queryKey: ['destinations'],
    queryFn: async ({ signal }) => {
      const answer = await api.client.call('GET', '/emulator/destinations', undefined, { signal });
      return isRecord(answer) && Array.isArray(answer.destinations) ? answer.destinations.filter(isDestination) : [];
    },
    enabled: emulated,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data ?? [];
}

function Sent({ answer }: { readonly answer: unknown }) {
  const { change } = usePage();
  const [message] = isRecord(answer) && Array.isArray(answer.messages) ? answer.messages.filter(isRecord) : [];
  const id = message?.messageId;
  const status = isRecord(message?.status) ? message.status : {};
  if (typeof id !== 'string') return null;
  return (
    <p>
      {inert(String(status.description ?? status.name ?? ''))} ({inert(String(status.name ?? ''))}).{' '}
      <button
        type="button"
        onClick={() =>
          change(view => ({ ...view, room: undefined, conditions: {}, not: {}, range: { last: '1h' }, open: id }))
        }
      >
        See what becomes of it
      </button>
    </p>
  );
}
