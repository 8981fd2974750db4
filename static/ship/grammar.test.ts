import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isFalse, valueOf } from "./grammar";
import type { Update } from "./types";

// The examples are those of the document.
const document = readFileSync("docs/attributes.md", "utf8");
const visitor = JSON.parse(/```json\n(.*?)```/s.exec(document)![1]!) as Update;
const table = (heading: string) =>
  [...document.split(`\n| Expression | ${heading} |\n`)[1]!.split("\n\n")[0]!.matchAll(/^\| `(.+)` \| (.+) \|$/gm)].map(([, ...cells]) => cells as [string, string]);

test("each example of the document has the value that stands there", () => {
  const rows = table("Value");
  assert(rows.length > 60);
  for (const [expression, value] of rows) assert.deepEqual(valueOf(expression, visitor), JSON.parse(value), expression);
});

test("each wrong example of the document has no value", () => {
  const rows = table("Why");
  assert(rows.length > 15);
  for (const [expression] of rows) assert.equal(valueOf(expression, visitor), undefined, expression);
});

test("without a state nothing is known", () => {
  for (const [expression, value] of [
    ["user.plan", null],
    ["not user.plan", true],
    ["segment:VIP", false],
    ["account_segment:Large", false],
    ["user.plan or 'free'", "free"],
    ["user.plan = user.trial", true],
  ] as const)
    assert.equal(valueOf(expression, undefined), value, expression);
});

test("a hostile state does no harm", () => {
  let deep: unknown = "x";
  for (let i = 0; i < 100_000; i++) deep = i % 2 ? [deep] : { a: deep };
  const own = JSON.parse('{"__proto__":"p","toString":1,"valueOf":2,"hasOwnProperty":3}');
  const state = { user: { deep, own, "": "nothing", huge: Array(1e6).fill(1) }, segments: "VIP", account: ["a"], events: { VIP: 1 } } as unknown as Update;
  for (const [expression, value] of [
    ["not user.deep", false],
    ["user.deep = 'x'", false],
    ["user.deep < 1", false],
    ["user.own = '[object Object]'", false],
    ["user.own.toString", 1],
    ["user.own.__proto__", "p"],
    ["not user.own", false],
    ["not user.huge", false],
    ["user.huge = 1", false],
    ["segment:V", false],
    ["event:VIP", false],
    ["account_segment:VIP", false],
    ["account.name", null],
    ["account.length", null],
  ] as const)
    assert.equal(valueOf(expression, state), value, expression);
  for (const rubbish of [null, 1, "user", [], { user: null }, { user: "user", segments: null }])
    assert.equal(valueOf("user.plan or segment:VIP", rubbish as unknown as Update), false);
});

test("an expression as deep as an attribute can be is wrong or right, and throws nothing", () => {
  assert.equal(valueOf("(".repeat(1e5) + "1" + ")".repeat(1e5), visitor), undefined);
  assert.equal(valueOf("not ".repeat(1e5) + "1", visitor), undefined);
  assert.equal(valueOf("1 and ".repeat(1e4) + "1", visitor), 1);
});

test("a wrong expression is said once, and only when lines are asked for", () => {
  const lines: unknown[][] = [], log = console.log;
  console.log = (...words) => void lines.push(words);
  try {
    for (const asked of ["", "app", "hull*"]) {
      Object.assign(globalThis, { localStorage: { getItem: () => asked } });
      valueOf("wrong when " + asked, visitor);
      valueOf("wrong when " + asked, visitor);
    }
  } finally {
    console.log = log;
    Reflect.deleteProperty(globalThis, "localStorage");
  }
  assert.equal(lines.length, 1);
  assert(lines[0]!.includes("wrong when hull*"));
});

test("what counts as false", () => {
  for (const value of [null, undefined, false, 0, "", "0", "false", "FALSE", [], {}]) assert.equal(isFalse(value), true, JSON.stringify(value));
  for (const value of [true, 1, -1, 0.5, "no", "00", " ", "null", [0], [null], { a: null }]) assert.equal(isFalse(value), false, JSON.stringify(value));
});
