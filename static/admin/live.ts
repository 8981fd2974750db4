// The visitors who are there, as the live stream tells. One stream is read for all pages
// of a connector, and who listens hears of its changes at most once per frame that is drawn.

import { useEffect, useState } from "preact/hooks";
import { of } from "./api";
import { type Frame, follow } from "./events";
import type { Counts, Page, StatedEmail, Tab, User, Visitor } from "./types";

/** A visitor who is there, or was a moment ago. */
export type Row = {
  visitor: Visitor;
  /** What is searched, in lower case. */
  text: string;
  left: boolean;
};

export type Live = {
  connector: string;
  rows: Map<string, Row>;
  /** How many are there. */
  count: number;
  state: "opening" | "open" | "broken";
  /** All who were there at the beginning are known. */
  ready: boolean;
  error?: Error;
  /** Offers that were sent or got further since the stream opened: what is known of their counts. */
  offers: Map<string, Partial<Counts>>;
};

type Change = {
  visitor: string;
  page: Page;
  tabs: Tab[];
  views: number;
  user: User | null;
  segments: string[];
  stated_email?: StatedEmail;
};

type Step = Partial<Counts> & { id: string };

/** How long a page may be hidden before its stream is closed: an operator who only looks elsewhere misses nothing. */
const hiddenFor = 5 * 60_000;

const empty = (connector: string): Live => ({ connector, rows: new Map(), count: 0, state: "opening", ready: false, offers: new Map() });

let live = empty("");
const listeners = new Set<() => void>();
let drawing = 0;
let stop = new AbortController();
let hidden: ReturnType<typeof setTimeout> | undefined;

function changed(): void {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    if (!held) for (const [id, row] of live.rows) if (row.left) live.rows.delete(id);
    for (const listener of listeners) listener();
  });
}

function open(): void {
  stop = new AbortController();
  const joined = new Set<string>(); // since the stream was opened, until it is ready
  const state = (isOpen: boolean, error?: Error) => {
    live.state = isOpen ? "open" : "broken";
    delete live.error;
    if (error) live.error = error;
    joined.clear();
    changed();
  };
  const event = (frame: Frame) => {
    apply(frame, joined);
    changed();
  };
  void follow(of(live.connector, "live"), { event, state }, stop.signal);
}

function apply({ event, data }: Frame, joined: Set<string>): void {
  switch (event) {
    case "visitor.joined":
      return join(JSON.parse(data) as Visitor, joined);
    case "live.ready":
      for (const id of live.rows.keys()) if (!joined.has(id)) leave(id);
      live.ready = true;
      return;
    case "visitor.page":
    case "visitor.identified":
      return update(JSON.parse(data) as Change);
    case "visitor.left":
      return leave((JSON.parse(data) as Change).visitor);
    case "offer.sent":
      return step({ id: (JSON.parse(data) as Step).id });
    case "offer.delivered":
    case "offer.receipt":
      return step(JSON.parse(data) as Step);
  }
}

function join(visitor: Visitor, joined: Set<string>): void {
  const before = live.rows.get(visitor.visitor);
  if (!before || before.left) live.count++;
  joined.add(visitor.visitor);
  live.rows.set(visitor.visitor, { visitor, text: textOf(visitor), left: false });
}

function update(change: Partial<Change> & { visitor: string }): void {
  const row = live.rows.get(change.visitor);
  if (!row || row.left) return;
  const visitor = { ...row.visitor, ...change };
  live.rows.set(change.visitor, { visitor, text: textOf(visitor), left: false });
}

/** One who leaves is among the rows until they are drawn, or longer: hold. */
function leave(id: string): void {
  const row = live.rows.get(id);
  if (!row || row.left) return;
  live.rows.set(id, { ...row, left: true });
  live.count--;
}

let held = false;

/** Keeps those who leave among the rows, while somebody reads them. */
export function hold(on: boolean): void {
  if (held && !on) changed();
  held = on;
}

function step({ id, sent, delivered, seen, clicked, dismissed, capped }: Step): void {
  const told = Object.entries({ sent, delivered, seen, clicked, dismissed, capped }).filter(([, n]) => typeof n === "number");
  live.offers.set(id, { ...live.offers.get(id), ...Object.fromEntries(told) });
}

const textOf = ({ visitor, user, stated_email, page }: Visitor) =>
  [visitor, user?.name, user?.email, user?.external_id, user?.id, stated_email?.email, page?.url, page?.title].join("\n").toLowerCase();

/** The connector's live visitors. It draws its caller anew when they change. */
export function useLive(connector: string): Live {
  const [, draw] = useState({});
  useEffect(() => {
    const listener = () => draw({});
    listeners.add(listener);
    if (live.connector !== connector) {
      stop.abort();
      live = empty(connector);
      open();
    } else if (stop.signal.aborted) open();
    return () => {
      listeners.delete(listener);
      // The next page may want the same: it says so before this.
      setTimeout(() => listeners.size || stop.abort());
    };
  }, [connector]);
  return live.connector === connector ? live : empty(connector);
}

stop.abort();
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  if (document.hidden) hidden = setTimeout(() => stop.abort(), hiddenFor);
  else if (stop.signal.aborted && listeners.size) open();
});

/** Ends what one operator has read, before the next signs in. */
export function forget(): void {
  stop.abort();
  live = empty("");
}
