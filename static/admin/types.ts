// What the operators' API answers (docs/protocol.md). Times are RFC 3339 texts in UTC.

export type Session = {
  operator: string;
  /** The connectors that the operator may see; null: all. */
  connectors: string[] | null;
  expires_at: string;
  scope: "read" | "write";
};

export type List<Item> = { items: Item[]; next_cursor?: string };

export type Finding = { severity: string; message: string };

export type ConnectorSummary = {
  id: string;
  organization: string;
  health: "ok" | "warning" | "error";
  findings: Finding[];
  streams: number;
  last_notification?: string;
};

export type Connector = {
  id: string;
  organization: string;
  settings: Json;
  private_settings: Json;
  segments?: { id: string; name: string }[];
};

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export type User = { id: string; name?: string; email?: string; external_id?: string };

export type StatedEmail = { email: string; at: string };

export type Page = { url: string; title?: string; referrer?: string; at: string; local_time?: string };

export type Tab = { tab: string; url: string; title?: string; at: string };

export type Visitor = {
  visitor: string;
  live: boolean;
  since?: string;
  user: User | null;
  segments: string[];
  stated_email?: StatedEmail;
  page: Page | null;
  tabs: Tab[];
  streams: number;
  first_seen: string;
  last_seen: string;
  views: number;
  /** Others of the same person. */
  visitors?: string[];
};

export type PageView = Page & { view: string; visitor: string; session: string };

export type Summary = {
  views: number;
  sessions: number;
  first?: string;
  last?: string;
  pages: { url: string; title?: string; views: number; last: string }[];
  days: { day: string; views: number }[];
};

/** Whom an offer means. */
export type To = { visitor: string } | { topic: string } | { segment: string } | { page: string } | { all: true };

export type Counts = { sent: number; delivered: number; seen: number; clicked: number; dismissed: number; capped: number };

export type Offer = Counts & { id: string; to: To; data: Json; sent_at: string; expires_at: string; operator?: string };

export type Sent = { id: string; live: number };

export type Gate = { gate: string; pass: boolean; detail: string; hint?: string };

export type Explanation = {
  topic: string;
  user: { id: string; topics: string[]; version: Json; indexed_at?: string; state: Json } | null;
  payload: { signed: Json; unsigned: Json } | null;
  gates: Gate[];
  streams: { visitor: string; origin: string; topic: string; signed: boolean }[];
};

export type Audit = {
  at: string;
  operator: string;
  address: string;
  request_id: string;
  action: string;
  target: string;
  result: string;
};
