// What a page sees of Hullbeam: the objects that its events carry, and window.hullBrowser.
// These are docs/protocol.md's payload and events, as hull-browser named them.

/** A trait's value: any JSON. Groups ("clearbit/name") are objects. */
export type Trait = string | number | boolean | null | Trait[] | { [name: string]: Trait };

/** Names of traits and their values. */
export interface Traits {
  [name: string]: Trait | undefined;
}

/**
 * What the connectors of a site publish: `user` and `account`, the traits by name, and the
 * names that `segment`, `account_segment` and `event` can have. It is empty, and any name
 * will do, until `hullbeam types` has printed a declaration that is merged with it.
 */
export interface Published {}

/** Whom the page is for. `id` is Hull's. */
export type User = (Published extends { user: infer T } ? T : Traits) & { id?: string };
export type Account = Published extends { account: infer T } ? T : Traits;
export type Segment = Published extends { segment: infer T } ? T : string;
export type AccountSegment = Published extends { account_segment: infer T } ? T : string;
export type EventName = Published extends { event: infer T } ? T : string;

/** Each trait that changed, in groups as the traits are. */
export interface TraitChanges {
  [name: string]: TraitChange;
}

/** What a trait was, null when it was not there, and what it is, null when it is gone. Of a group: the changes in it. */
export type TraitChange = [before: Trait, now: Trait] & TraitChanges;

/** Names of segments that somebody has come into and gone out of. */
export interface ListChanges {
  entered: string[];
  left: string[];
}

/** What is different since the update before. */
export interface Changes {
  user: TraitChanges;
  account: TraitChanges;
  segments: ListChanges;
  account_segments: ListChanges;
}

/** What a page knows of its visitor: the argument of `user.update`. */
export interface Update {
  user: User;
  segments: Segment[];
  account: Account;
  account_segments: AccountSegment[];
  /** Names of the tracked events that this update came with. */
  events: EventName[];
  /** Undefined at page load, when the state is the one that was kept of the last page. */
  changes: Changes | undefined;
  /** The connector that says so: a page can have several. */
  connector: string;
}

/** What an operator sends: the argument of `offer`. A page hears of an id once. */
export interface Offer {
  id: string;
  data: Trait;
  /** RFC 3339 */
  sent_at: string;
  expires_at: string;
  /** The tabs that it is for; none: all. */
  tabs: string[];
  connector: string;
}

export interface SegmentChange {
  segment: string;
  connector: string;
}

/** How the connection is doing: the argument of `status`. */
export interface Status {
  connector: string;
  /**
   * waiting: for identifiers, or until the next attempt (`retry_in_ms`).
   * connecting, open. paused: the page is hidden or left. refused: for good, until the
   * identifiers are others; `code` is the problem's (docs/errors).
   */
  state: "waiting" | "connecting" | "open" | "paused" | "refused";
  code?: string;
  retry_in_ms?: number;
}

/** Events and their arguments. */
export interface Events {
  "user.update": Update;
  "user.private": { user: { id: string }; connector: string };
  "user.error": { message: string; user: User; account: Account; segments: Segment[]; connector: string };
  "segment.enter": SegmentChange;
  "segment.leave": SegmentChange;
  offer: Offer;
  status: Status;
}

/** Who the visitor is, as far as the site itself knows. */
export interface Identity {
  id?: string;
  external_id?: string;
  email?: string;
  anonymous_id?: string | string[];
  /** A signed proof of the former: docs/protocol.md, proof of identity. */
  identity_token?: string;
  /** Intercom's proof. */
  user_hash?: string;
}

/** What becomes of an offer, for its operator. */
export type Receipt = "seen" | "clicked" | "dismissed";

export type Listener<T> = (argument: T) => void;

/** window.hullBrowser. */
export interface HullBrowser {
  /** Calls `listener` at each event of that name; `*` stands for one part of a name, `**` for any. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): HullBrowser;
  on(pattern: string, listener: Listener<unknown>): HullBrowser;
  /** As on, for one event. */
  once<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): HullBrowser;
  once(pattern: string, listener: Listener<unknown>): HullBrowser;
  off(pattern: string, listener: Listener<never>): HullBrowser;
  /** With data-consent="wait": lets Hullbeam store and send, or has it forget and stop. */
  consent(given: boolean): void;
  /** Says who the visitor is, in place of what the script tag says. It adds to what is found of other libraries, and wins over it. */
  identify(identity: Identity): void;
  /** Forgets the visitor, as at sign-out, and looks who is there now. */
  reset(): void;
  /** Tells operators an email that the visitor has typed. It proves nothing. */
  email(address: string): void;
  /** Tells operators what became of an offer. */
  receipt(offer: string, what: Receipt): void;
  /** Adds a connector: what its script tag would say, as in the query of the script's address. */
  connect(options: { hullId: string; hullEndpoint: string; [option: string]: string }): void;
  /** The latest update of a connector, by default the page's first. */
  state(connector?: string): Update | undefined;
}

declare global {
  interface Window {
    hullBrowser?: HullBrowser;
  }
  interface DocumentEventMap {
    "hull:user.update": CustomEvent<Events["user.update"]>;
    "hull:user.private": CustomEvent<Events["user.private"]>;
    "hull:user.error": CustomEvent<Events["user.error"]>;
    "hull:segment.enter": CustomEvent<Events["segment.enter"]>;
    "hull:segment.leave": CustomEvent<Events["segment.leave"]>;
    "hull:offer": CustomEvent<Events["offer"]>;
    "hull:status": CustomEvent<Events["status"]>;
  }
}
