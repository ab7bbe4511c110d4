import { useState } from 'react';
import { isRecord } from '../../../../src/client/errors.ts';
import type { Content } from '../../../../src/client/index.ts';
import { inert } from '../../view/format.ts';
import { innerOf } from './content-text.ts';

const textCharsMax = 5000;
const listMax = 20;

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const recordsOf = (value: unknown) => (Array.isArray(value) ? value.filter(isRecord).slice(0, listMax) : []);

/** What was sent, by its type. Nothing of it is markup, nothing of it is a link, nothing is loaded unasked. */
export function ContentView({ content }: { readonly content: Content }) {
  const payload = isRecord(content.payload) ? content.payload : {};
  const type = textOf(content.type) ?? 'unknown';
  const inner = innerOf(content);
  return (
    <div className="content">
      <p className="content-type">{inert(wordFor(type, payload))}</p>
      <Text text={textOf(content.text) ?? textOf(payload.text)} />
      <Media type={type} url={textOf(content.url)} />
      <Place content={content} />
      {recordsOf(payload.elements).map((element, index) => (
        <Card key={`card ${index.toString()}`} element={element} />
      ))}
      <Buttons buttons={content.buttons ?? payload.buttons} />
      <Buttons buttons={content.quickReplies ?? payload.quickReplies} />
      {inner !== undefined && <ContentView content={inner} />}
    </div>
  );
}

function wordFor(type: string, payload: Readonly<Record<string, unknown>>): string {
  const kind = textOf(payload.type);
  return kind === undefined ? type : `${type} · ${kind}`;
}

function Text({ text }: { readonly text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <p className="content-text" dir="auto">
      {inert(text.slice(0, textCharsMax), textCharsMax)}
      {text.length > textCharsMax && <span className="quiet"> (cut here; the copy has all of it)</span>}
    </p>
  );
}

function Media({ type, url }: { readonly type: string; readonly url: string | undefined }) {
  if (url === undefined) return null;
  return (
    <>
      <p className="content-url">{inert(url, 500)}</p>
      {type === 'IMAGE' && <Picture key={url} url={url} />}
    </>
  );
}

function pictureHost(url: string): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed?.protocol === 'https:' ? parsed.host : undefined;
}

/** Loading a picture tells its host that somebody looks, so it is loaded when asked for only. */
function Picture({ url }: { readonly url: string }) {
  const [state, setState] = useState<'hidden' | 'shown' | 'failed'>('hidden');
  const host = pictureHost(url);
  if (host === undefined) return null;
  if (state === 'hidden')
    return (
      <button type="button" onClick={() => setState('shown')}>
        Load the picture from {inert(host, 80)}
      </button>
    );
  if (state === 'failed') return <p className="quiet">The picture could not be loaded.</p>;
  return (
    <img
      src={url}
      alt="What was sent"
      referrerPolicy="no-referrer"
      decoding="async"
      onError={() => setState('failed')}
    />
  );
}

function Place({ content }: { readonly content: Content }) {
  const { latitude, longitude } = content;
  if (typeof latitude !== 'number' || typeof longitude !== 'number') return null;
  const name = textOf(content.name);
  return (
    <p>
      {name !== undefined && `${inert(name)}, `}
      {latitude}, {longitude}
    </p>
  );
}

function Card({ element }: { readonly element: Readonly<Record<string, unknown>> }) {
  const { title, subtitle, imageUrl } = element;
  const picture = textOf(imageUrl);
  return (
    <div className="card">
      <p dir="auto">
        <strong>{inert(textOf(title) ?? '')}</strong>
      </p>
      {textOf(subtitle) !== undefined && <p dir="auto">{inert(textOf(subtitle) ?? '')}</p>}
      {picture !== undefined && <p className="content-url">{inert(picture, 500)}</p>}
      <Buttons buttons={element.buttons} />
    </div>
  );
}

/** Buttons as the recipient saw them, and what they do as text: here they do nothing. */
function Buttons({ buttons }: { readonly buttons: unknown }) {
  const list = recordsOf(buttons);
  if (list.length === 0) return null;
  return (
    <ul className="content-buttons">
      {list.map((button, index) => (
        <li key={`button ${index.toString()}`}>
          <span className="content-button">{inert(textOf(button.title) ?? textOf(button.text) ?? 'untitled')}</span>
          <span className="quiet">
            {inert(
              [button.type, button.url ?? button.payload]
                .map(textOf)
                .filter(one => one !== undefined)
                .join(' → '),
              300,
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
