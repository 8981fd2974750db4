// What pages are made of: states of loading, dialogs, text of visitors.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refused } from "./api";
import type { User, Visitor } from "./types";
import { whole, zone } from "./time";

/** What went wrong, in words, and the button to try again. */
export function Problem({ error, retry }: { error: Error | undefined; retry?: () => void }) {
  if (!error) return null;
  const title = error instanceof Refused ? error.title : "Something went wrong";
  return (
    <div class="problem" role="alert">
      <p>
        <strong>{title}.</strong> {error.message !== title && error.message}
        {error instanceof Refused && error.code && (
          <>
            {" "}
            <a href={"/docs/errors/" + error.code} target="_blank" rel="noopener">
              What this means
            </a>
          </>
        )}
      </p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Shows that something is on its way, and hides it when it comes at once. */
export const Busy = ({ what }: { what: string }) => (
  <p class="busy" role="status">
    Loading {what}…
  </p>
);

/** Nothing is there: what to do. */
export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <h2>{title}</h2>
    {children}
  </div>
);

/** The next part of a list. */
export const More = ({ next, busy, more }: { next: string; busy: boolean; more: () => void }) =>
  next ? (
    <p class="more">
      <button type="button" onClick={more} disabled={busy}>
        {busy ? "Loading…" : "Show more"}
      </button>
    </p>
  ) : null;

/** Text of a visitor. It may be of any script and direction, and turns nothing around it. */
export const Text = ({ of }: { of: string | undefined }) => <bdi>{of}</bdi>;

/** An address that a visitor's browser told: a link if it is one of the web. */
export function Address({ url, children }: { url: string; children?: ComponentChildren }) {
  const text = children ?? <bdi dir="ltr">{url}</bdi>;
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return <span title={url}>{text}</span>;
  return (
    <a href={url} title={url} target="_blank" rel="noopener noreferrer" referrerpolicy="no-referrer">
      {text}
    </a>
  );
}

/** An address without what all pages of the site have. */
export function short(url: string): string {
  if (!URL.canParse(url)) return url;
  const { host, pathname, search } = new URL(url);
  return host ? host.replace(/^www\./, "") + (pathname === "/" && !search ? "" : pathname + search) : url;
}

/** A time in the operator's zone. */
export const Time = ({ at, as = whole }: { at: string | undefined; as?: (at: string) => string }) =>
  at ? (
    <time dateTime={at} title={`${whole(at)} ${zone}`}>
      {as(at)}
    </time>
  ) : null;

export const nameOf = (user: User | null) => user?.name || user?.email || user?.external_id || user?.id || "";

/** Who a visitor is: the name that is proven, what they have said, or anonymous. */
export function Who({ visitor: { visitor, user, stated_email }, href }: { visitor: Visitor; href?: string }) {
  const name = nameOf(user);
  const label = name ? <Text of={name} /> : stated_email ? <Text of={stated_email.email} /> : <>Anonymous {visitor.slice(-6)}</>;
  const email = name && user?.email && user.email !== name ? user.email : "";
  const stated = stated_email && stated_email.email !== user?.email ? stated_email : undefined;
  return (
    <span class="who">
      {href ? <a href={href}>{label}</a> : <b>{label}</b>}
      {(email || stated) && (
        <small title={[email, stated?.email].filter(Boolean).join(", ")}>
          {email && <Text of={email} />}
          {stated && name && <Text of={stated.email} />}
          {stated && (
            <span class="tag unverified" title="The visitor typed this. Nobody has verified it.">
              unverified
            </span>
          )}
        </small>
      )}
    </span>
  );
}

export const Segments = ({ names }: { names: string[] }) => (
  <span class="tags">
    {names.map((name) => (
      <span class="tag" key={name} title={name}>
        <Text of={name} />
      </span>
    ))}
  </span>
);

/** A dialog: the browser keeps the focus in it, Escape closes it, and the focus goes back. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="dialog-title">
      <header>
        <h2 id="dialog-title">{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={() => dialog.current?.close()}>
          ×
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** Asks before what cannot be undone: the operator types a word. */
export function Confirm(props: { title: string; word: string; action: string; close: () => void; run: () => void; busy: boolean; error: Error | undefined; children: ComponentChildren }) {
  const [typed, setTyped] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (typed === props.word) props.run();
  };
  return (
    <Dialog title={props.title} close={props.close}>
      <form onSubmit={submit} class="fields">
        {props.children}
        <label>
          <span>
            Type <code class="word"><Text of={props.word} /></code> to confirm
          </span>
          <input value={typed} onInput={(event) => setTyped(event.currentTarget.value)} autocomplete="off" spellcheck={false} autofocus />
        </label>
        <Problem error={props.error} />
        <p class="actions">
          <button class="danger" disabled={typed !== props.word || props.busy}>
            {props.action}
          </button>
          <button type="button" onClick={props.close}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}

/** A text to copy. */
export function Snippet({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <div class="snippet">
      <pre tabIndex={0}>{text}</pre>
      {isSecureContext && (
        <button type="button" onClick={copy}>
          {copied ? "Copied" : "Copy"}
        </button>
      )}
    </div>
  );
}

export const Code = ({ json }: { json: unknown }) => (
  <pre tabIndex={0}>{JSON.stringify(json, null, 2)}</pre>
);

/** The line for the customer's pages, which tells of page views and shows offers. */
export const snippetOf = (connector: string) => `<script async src="${location.origin}/ship.js" data-hull-id="${connector}" data-track data-offers="banner"></script>`;
