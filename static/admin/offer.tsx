// Sending an offer.

import { useMemo, useRef, useState } from "preact/hooks";
import { call, of } from "./api";
import { matcher } from "./arrange";
import type { Live } from "./live";
import { useAction } from "./load";
import { Dialog, Problem } from "./parts";
import { at } from "./route";
import { JsonField, wrongObject } from "./settings";
import type { Sent, To } from "./types";

type Kind = "visitor" | "topic" | "segment" | "page" | "all";

const kinds: { [kind in Kind]: string } = { visitor: "A visitor", topic: "A topic", segment: "A segment", page: "Who is on a page", all: "Everyone" };
const hints: { [kind in Kind]: string } = {
  visitor: "v_…",
  topic: "email:ada@example.com",
  segment: "The segment's name",
  page: "/pricing or /docs/** or https://example.com/*",
  all: "",
};
const expiries = { "10m": "10 minutes", "1h": "An hour", "24h": "A day", "168h": "A week", "720h": "30 days" };

/** The fields that the snippet's banner shows. */
const fields = [
  ["title", "Title", ""],
  ["text", "Text", "What the visitor reads"],
  ["url", "Link", "https://…"],
  ["label", "Label of the link", ""],
] as const;

const kindOf = (to: To) => Object.keys(to)[0] as Kind;
const toOf = (kind: Kind, value: string): To => (kind === "all" ? { all: true } : ({ [kind]: value.trim() } as To));

/** Whom an offer means, in words. */
export function meaning(to: To): string {
  const [kind, value] = Object.entries(to)[0] ?? ["all", true];
  return kind === "all" ? "everyone" : `${kind} ${String(value)}`;
}

type Props = { connector: string; to: To; live?: Live; close: () => void; sent?: () => void };

export function OfferDialog({ connector, to, live, close, sent }: Props) {
  const [kind, setKind] = useState(kindOf(to));
  const [value, setValue] = useState(() => String(Object.values(to)[0] === true ? "" : Object.values(to)[0]));
  const [data, setData] = useState<{ [name: string]: string }>({});
  const [raw, setRaw] = useState<string>(); // undefined: as the fields have it
  const [expiry, setExpiry] = useState("10m");
  const [answer, setAnswer] = useState<Sent>();
  const text = raw ?? fromFields(data);
  const id = useId(`${kind} ${value} ${text} ${expiry}`);
  const action = useAction(async () => {
    const body = `{"to":${JSON.stringify(toOf(kind, value))},"data":${text},"expires_in":"${expiry}","id":"${id}"}`;
    setAnswer((await (await call("POST", of(connector, "offers"), body)).json()) as Sent);
    sent?.();
  });
  if (answer) return <Confirmation connector={connector} answer={answer} close={close} />;
  const wrong = raw === undefined ? "" : wrongObject(raw);
  const submit = (event: Event) => {
    event.preventDefault();
    void action.run();
  };
  return (
    <Dialog title="Send an offer" close={close}>
      <form class="fields" onSubmit={submit}>
        <div class="pair">
          <label>
            <span>To</span>
            <select value={kind} onChange={(event) => (setKind(event.currentTarget.value as Kind), setValue(""))}>
              {Object.entries(kinds).map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          {kind !== "all" && (
            <label>
              <span>Which</span>
              <input value={value} onInput={(event) => setValue(event.currentTarget.value)} placeholder={hints[kind]} required autocomplete="off" spellcheck={false} />
            </label>
          )}
        </div>
        {live && <Reach live={live} kind={kind} value={value} />}
        {raw === undefined ? (
          fields.map(([name, label, hint]) => (
            <label key={name}>
              <span>{label}</span>
              <input
                pattern={name === "url" ? "https?://.+" : undefined}
                value={data[name] ?? ""}
                onInput={(event) => setData({ ...data, [name]: event.currentTarget.value })}
                placeholder={hint}
                required={name === "text"}
                autofocus={name === "title"}
                dir="auto"
              />
            </label>
          ))
        ) : (
          <JsonField label="Data" value={raw} set={setRaw} wrong={wrong} note="At most 32 KiB. Pages get it as it is." />
        )}
        <p>
          <button type="button" class="link" onClick={() => setRaw(raw === undefined ? JSON.stringify(JSON.parse(text), null, 2) : undefined)}>
            {raw === undefined ? "Write the JSON yourself" : "Use the fields"}
          </button>
        </p>
        <label>
          <span>Expires after</span>
          <select value={expiry} onChange={(event) => setExpiry(event.currentTarget.value)}>
            {Object.entries(expiries).map(([duration, label]) => (
              <option key={duration} value={duration}>
                {label}
              </option>
            ))}
          </select>
          <small>Whom it means and who comes until then gets it too.</small>
        </label>
        <Problem error={action.error} />
        <p class="actions">
          <button class="main" disabled={action.busy || wrong !== ""}>
            {action.busy ? "Sending…" : "Send"}
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}

const fromFields = (data: { [name: string]: string }) => JSON.stringify(Object.fromEntries(fields.map(([name]) => [name, data[name]?.trim()]).filter(([, value]) => value)));

/** The idempotency key of a request: the same when it is tried again, another when it has changed. */
function useId(request: string): string {
  const kept = useRef({ request: "", id: "" });
  if (kept.current.request !== request) {
    const random = crypto.getRandomValues(new Uint8Array(12));
    kept.current = { request, id: "o_" + Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
  return kept.current.id;
}

/** How many of those who are there an offer means, as far as this page knows. */
function Reach({ live, kind, value }: { live: Live; kind: Kind; value: string }) {
  const count = useMemo(() => {
    if (kind === "topic" || (kind !== "all" && !value.trim())) return undefined;
    const match =
      kind === "visitor"
        ? (row: { visitor: { visitor: string } }) => row.visitor.visitor === value.trim()
        : matcher({ q: "", segment: kind === "segment" ? value.trim() : "", page: kind === "page" ? value : "" });
    return [...live.rows.values()].filter((row) => !row.left && match(row)).length;
  }, [live.count, kind, value]);
  return count === undefined ? null : (
    <p class="quiet">
      {count.toLocaleString()} of {live.count.toLocaleString()} who are there
    </p>
  );
}

const Confirmation = ({ connector, answer, close }: { connector: string; answer: Sent; close: () => void }) => (
  <Dialog title="The offer is sent" close={close}>
    <p role="status">
      {answer.live === 0 ? "Nobody whom it means is there. Who comes before it expires gets it." : answer.live === 1 ? "One visitor who is there gets it now." : `${answer.live.toLocaleString()} visitors who are there get it now.`}
    </p>
    <p class="actions">
      <button type="button" class="main" onClick={close} autofocus>
        Done
      </button>
      <a href={at(connector, "offers")} onClick={close}>
        What becomes of it
      </a>
    </p>
  </Dialog>
);
