// What a connector says of the visitor, and what is different since the time before.

import { attempt } from "./page";
import type { Changes, ListChanges, Trait, TraitChange, TraitChanges, Traits, User } from "./types";

/** The data of user.update (docs/protocol.md, the payload). */
export interface Payload {
  user: User & { id: string };
  segments: string[];
  account: Traits;
  account_segments: string[];
  events: string[];
  script_url?: string;
}

type Group = { [name: string]: Trait | undefined };

/** A number that JavaScript cannot hold is given as its text, where the browser knows that. */
const exact = (_name: string, value: unknown, context?: { source: string }): unknown =>
  Number.isInteger(value) != Number.isSafeInteger(value) && context ? context.source : value;

/** Reads JSON. */
export const read = (text: string | null | undefined) => JSON.parse(text!, exact);

/** Reads a payload that a page begins with; undefined for what is none: storage holds anything. */
export const stored = (text: string | null | undefined): Payload | undefined =>
  attempt(() => {
    // Events were those of another page, and what was stored does not choose what runs: the server does.
    const payload = { account: {}, segments: [], account_segments: [], ...read(text), events: [], script_url: "" };
    // Either throws unless they are what they should be.
    return payload.user.id.trim && changesOf(payload, payload) && payload;
  });

/** Whether there is any change: a pair, or a name in a list. */
export const differs = (changes: unknown): boolean => /\[[^\]]/.test(JSON.stringify(changes));

const diff = (before: Group = {}, now: Group): TraitChanges => {
  const changes: TraitChanges = {};
  for (const name of Object.keys({ ...before, ...now })) {
    const pair = [before[name] ?? null, now[name] ?? null] as [Trait, Trait];
    const [a, b] = pair.map((value) => JSON.stringify(value)) as [string, string];
    const change = a[0]! + b[0] == "{{" ? diff(...(pair as [Group, Group])) : a != b && pair;
    if (differs(change)) changes[name] = change as TraitChange;
  }
  return changes;
};

const lists = (before: string[] = [], now: string[]): ListChanges => ({
  entered: now.filter((name) => !before.includes(name)),
  left: before.filter((name) => !now.includes(name)),
});

/** What is different in a payload since another, or since nothing was known; docs/personalization.md has the rules. */
export const changesOf = (before: Partial<Payload> = {}, now: Payload): Changes => ({
  user: diff(before.user, now.user),
  account: diff(before.account, now.account),
  segments: lists(before.segments, now.segments),
  account_segments: lists(before.account_segments, now.account_segments),
});
