import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { type Mirror, readMirrors, UnexpectedAnswer } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { countText, durationText, inert, momentText } from '../../view/format.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Confirm } from '../forms/confirm.tsx';
import { Field, given, givenNumber } from '../forms/field.tsx';
import { Section } from './section.tsx';

const list = 'mirrors';
const path = '/manage/1/mirrors';
const refreshEveryMs = 2000;

/** Other logs that are kept in this account. */
export function Mirrors() {
  const { api } = usePage();
  const found = useQuery({
    queryKey: [list],
    queryFn: async ({ signal }) => {
      const found = readMirrors(await api.client.call('GET', path, undefined, { signal }));
      if (found === undefined) throw new UnexpectedAnswer('a list of mirrors');
      return found;
    },
    refetchInterval: refreshEveryMs,
  });
  return (
    <Section
      heading="Mirrors"
      words="Messenger logs of Infobip that are kept here, complete, for as long as this log keeps messages."
      none="Nothing is mirrored into this account."
      found={found}
      keyOf={({ name }) => name}
      card={mirror => <MirrorCard mirror={mirror} />}
      adding={<AddMirror />}
    />
  );
}

function MirrorCard({ mirror }: { readonly mirror: Mirror }) {
  const { view } = usePage();
  const act = useAct(list);
  const { name, state, reason, restsUntil, behind, gaps, isBeingChecked, checkProgress, checkFailure } = mirror;
  const own = `${path}/${encodeURIComponent(name)}` as const;
  return (
    <article className="card" aria-label={`Mirror ${name}`}>
      <header>
        <h4>{inert(name)}</h4>
        <span className={`state state-${state.replaceAll(' ', '-')}`}>{state}</span>
        <span className="quiet">{inert(mirror.from)}</span>
      </header>
      {reason !== undefined && (
        <p className="note note-bad">
          {inert(reason, 500)}
          {restsUntil !== undefined && `; asks again ${momentText(restsUntil, view.zone).slice(0, 19)}`}
        </p>
      )}
      {reason === undefined && behind !== undefined && <p className="note note-bad">Behind: {inert(behind, 500)}</p>}
      <MirrorFigures mirror={mirror} />
      {gaps.length > 0 && (
        <ul className="gaps" aria-label="Gaps">
          {gaps.map(gap => (
            <li key={gap.from}>
              Missing: {momentText(gap.from, view.zone)} – {momentText(gap.to, view.zone)}, {inert(gap.reason)}
            </li>
          ))}
        </ul>
      )}
      <p className="actions">
        {state === 'paused' ? (
          <Resume
            onResume={key => act.mutate({ method: 'POST', path: `${own}/resume`, body: { ...(key && { key }) } })}
          />
        ) : (
          <button type="button" onClick={() => act.mutate({ method: 'POST', path: `${own}/pause` })}>
            Pause
          </button>
        )}
        <button
          type="button"
          disabled={isBeingChecked || act.isPending}
          title="Asks both sides the same questions, of all that is left at the other side"
          onClick={() => act.mutate({ method: 'POST', path: `${own}/check` })}
        >
          {isBeingChecked ? 'Checking …' : 'Check'}
        </button>
        <Confirm
          label="Remove"
          question="What it kept stays in the log. Remove the mirror?"
          onConfirm={() => act.mutate({ method: 'DELETE', path: own })}
        />
      </p>
      {isBeingChecked && (
        <p className="quiet" role="status">
          Both sides are asked the same questions, by half of its requests a minute, for an hour at most. What differs
          is asked for again after some minutes, since a change may be under way.{' '}
          {checkProgress !== undefined && `So far: ${inert(checkProgress, 300)}.`}
        </p>
      )}
      {checkFailure !== undefined && (
        <p className="note note-bad">It could not be checked: {inert(checkFailure, 500)}</p>
      )}
      <p role="alert">{act.error === null ? '' : refusalOf(act.error)}</p>
    </article>
  );
}

function MirrorFigures({ mirror }: { readonly mirror: Mirror }) {
  const { view } = usePage();
  const moment = (text: string | undefined) => text && momentText(text, view.zone).slice(0, 19);
  const { lastCheck, requestsUsed, requestsLeft, unreadSince } = mirror;
  const checked = lastCheck && `${moment(lastCheck.at)}: ${checkText(lastCheck)}`;
  const figures: readonly (readonly [string, string | undefined])[] = [
    ['Behind', mirror.lagMs === undefined ? undefined : durationText(mirror.lagMs)],
    ['Statuses behind', mirror.statusLagMs === undefined ? undefined : durationText(mirror.statusLagMs)],
    ['Newest seen', moment(mirror.newestSentAt)],
    [
      'Still to be read',
      mirror.lagMs === undefined ? undefined : unreadSince === undefined ? 'nothing' : `from ${moment(unreadSince)}`,
    ],
    ['Requests a minute', `${requestsUsed} used, ${requestsLeft} left of ${mirror.requestsPerMinute}`],
    ['Followed', countText(mirror.followed)],
    ['Recorded', countText(mirror.recorded)],
    ['Gaps', String(mirror.gaps.length)],
    ['Last answer', moment(mirror.answeredAt)],
    ['Last checked', checked],
  ];
  return (
    <dl className="facts card-facts">
      {figures.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value ?? '–'}</dd>
        </div>
      ))}
    </dl>
  );
}

function checkText({ messages, differences }: NonNullable<Mirror['lastCheck']>): string {
  const found =
    differences === 0 ? 'equal' : differences === 1 ? '1 difference' : `${countText(differences)} differences`;
  return `${found}, ${countText(messages)} ${messages === 1 ? 'message' : 'messages'}`;
}

/** Goes on with the key that is kept, or with another: the old one may have been revoked. */
function Resume({ onResume }: { readonly onResume: (key: string | undefined) => void }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onResume(given(new FormData(event.currentTarget), 'key'));
  };
  return (
    <form className="inline" onSubmit={submit}>
      <input
        name="key"
        type="password"
        aria-label="Another key to the other log"
        placeholder="another key"
        autoComplete="off"
      />
      <button type="submit">Resume</button>
    </form>
  );
}

function AddMirror() {
  const [open, setOpen] = useState(false);
  const act = useAct(list);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = {
      from: given(form, 'from'),
      key: given(form, 'key'),
      name: given(form, 'name'),
      requestsPerMinute: givenNumber(form, 'requestsPerMinute'),
      sinceHours: givenNumber(form, 'sinceHours'),
    };
    act.mutate({ method: 'POST', path, body }, { onSuccess: () => setOpen(false) });
  };
  return (
    <details className="adding" open={open} onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>Add a mirror</summary>
      <form onSubmit={submit}>
        <Field label="Address" name="from" type="url" required placeholder="https://xyz.api.infobip.com" />
        <Field
          label="API key"
          name="key"
          type="password"
          required
          hint="With the scope messenger:logs:read. Kept encrypted, and never shown again."
        />
        <Field label="Name" name="name" hint="The server puts a few characters behind it." />
        <Field
          label="Requests a minute, at most"
          name="requestsPerMinute"
          type="number"
          min={1}
          max={600}
          defaultValue={60}
          hint="All programs of that account share 120."
        />
        <Field label="Hours to read back at first" name="sinceHours" type="number" min={1} max={48} defaultValue={48} />
        <p role="alert">{act.error === null ? '' : refusalOf(act.error)}</p>
        <button className="primary" type="submit" disabled={act.isPending}>
          Add
        </button>
      </form>
    </details>
  );
}
