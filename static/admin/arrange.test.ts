import { test } from "node:test";
import { deepEqual, equal } from "node:assert/strict";
import { arrange, matcher, pageMatcher } from "./arrange.ts";
import type { Row } from "./live.ts";

const url = "https://shop.example.com/docs/start?from=mail";

const globs: [name: string, glob: string, url: string, matches: boolean][] = [
  ["a path", "/docs/start", url, true],
  ["a path is all of it", "/docs", url, false],
  ["one segment of a path", "/docs/*", url, true],
  ["one segment is not two", "/*", url, false],
  ["any segments", "/**", url, true],
  ["the whole URL", "https://shop.example.com/docs/*", url, true],
  ["a part of the URL", "shop.example.com", url, false],
  ["a dot is a dot", "/a.c", "https://x.example/abc", false],
  ["a URL that is none", "/docs", "not a url", false],
];
for (const [name, glob, url, matches] of globs) test(`page: ${name}`, () => equal(pageMatcher(glob)(url), matches));

const row = (id: string, since: number, left = false): [string, Row] => [
  id,
  {
    visitor: { visitor: id, since: `2026-01-01T10:00:0${since}.000Z`, live: true, user: null, segments: [id], page: null, tabs: [], streams: 1, first_seen: "", last_seen: "", views: 1 },
    text: id,
    left,
  },
];
const all = () => true;

test("the latest to come is first", () => deepEqual(arrange([], new Map([row("a", 1), row("b", 2)]), all, false), { order: ["b", "a"], waiting: 0 }));

test("who is there keeps their place", () => deepEqual(arrange(["a", "b"], new Map([row("b", 2), row("a", 1), row("c", 3)]), all, false), { order: ["c", "a", "b"], waiting: 0 }));

test("who leaves goes", () => deepEqual(arrange(["a", "b"], new Map([row("a", 1, true), row("b", 2)]), all, false), { order: ["b"], waiting: 0 }));

test("while it is held nobody moves, and who came is counted", () =>
  deepEqual(arrange(["a", "b"], new Map([row("a", 1, true), row("b", 2), row("c", 3)]), all, true), { order: ["a", "b"], waiting: 1 }));

test("only who matches is shown", () =>
  deepEqual(arrange(["a"], new Map([row("a", 1), row("b", 2)]), matcher({ q: "", segment: "b", page: "" }), false), { order: ["b"], waiting: 0 }));
