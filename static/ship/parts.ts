// What a page may need and does not need first is in a file of its own, more.ts, which is
// fetched beside the first token; the banner in another. What the core and they know of
// each other is here, and is only added to: a page can have the core of another version
// (api/snippet.go).

import type { Options } from "./options";
import type { Events, Offer, Receipt, Update } from "./types";

/** Takes one event of a stream: its type, its data, read from JSON, and its id. */
export type Receive = (type: string, data: unknown, id?: string) => void;

/** Opens a stream and keeps it alive; the answer ends it. */
export type Open = (receive: Receive) => () => void;

/** The name of the mark (User Timing) that is set when the page has a state of its visitor, kept or fresh. */
export const personalized = "hullbeam.personalized";

/** One connector of the page, as parts see it. */
export interface Connection {
  readonly id: string;
  /** Where Hullbeam is, without a trailing slash. */
  readonly endpoint: string;
  readonly options: Options;
  /** Names this page view. */
  readonly view: string;
  /** Names this tab. */
  readonly tab: string;
  /** The newest token; undefined before there is one. */
  token(): string | undefined;
  /** Another number for another visitor of this page. */
  visit(): number;
  /** Whether a token is there, or asked for: the visitor has not been forgotten. */
  asked(): boolean;
  /** What is known of the visitor. */
  state(): Update | undefined;
}

/** more.ts. */
export interface More {
  /** tabs.ts: one stream for all tabs whose name is the same. */
  share(name: string, open: Open, receive: Receive): () => void;
  /** life.ts: has a page sleep when nobody is there. */
  live(hidden: number, sleep: () => void, wake: () => void, forgotten: () => void): void;
  /** forms.ts: tells each email that is typed into a form that the site has marked. */
  forms(email: (address: string) => void): void;
  /** life.ts: when somebody may see the page, which browsers also load in advance. */
  readonly active: Promise<unknown>;
  /** own.ts: an anonymous id of Hullbeam's own; undefined for a visitor who opts out. */
  ownId(): string | undefined;
  /** routes.ts: calls `listener` when an application has changed the page's address. */
  onRoute(listener: () => void): void;
  /** script.ts: runs the operator's script with an update, after those before it. `path` is the payload's script_url. */
  run(connection: Connection, path: string, update: Update): void;
  /** offers.ts: has a page hear of each offer once. */
  offer(connection: Connection, offer: Offer, heard: () => void): void;
  /** destinations.ts: tells other libraries in the page. */
  push<Name extends keyof Events>(to: string, name: Name, argument: Events[Name]): void;
  /** visitor.ts: reports this page view, and each that follows in this document; once for a connection. */
  views(connection: Connection): void;
  email(connection: Connection, address: string): void;
  receipt(connection: Connection, offer: string, what: Receipt): void;
}

/** banner.ts: offers as a plain accessible banner. */
export interface Banner {
  show(offer: Offer, receipt: (what: Receipt) => void): void;
}
