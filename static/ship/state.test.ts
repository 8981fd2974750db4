import { test } from "node:test";
import { deepEqual, equal } from "node:assert/strict";
import { changesOf, differs, read, stored } from "./state.ts";
import type { Payload } from "./state.ts";

const payload = (parts: object): Payload => ({ user: { id: "u" }, segments: [], account: {}, account_segments: [], events: [], ...parts }) as Payload;

// The examples of hull-browser's algorithm (docs/hull-protocol.md, 9.6), by hullbeam's rule.
const rows: [name: string, before: object | undefined, now: object, changes: object][] = [
  ["a trait that changed", { user: { id: "u", plan: "free" } }, { user: { id: "u", plan: "pro" } }, { user: { plan: ["free", "pro"] } }],
  ["a trait that came", { user: { id: "u" } }, { user: { id: "u", plan: "pro" } }, { user: { plan: [null, "pro"] } }],
  ["D8 a trait that went", { user: { id: "u", plan: "pro" } }, { user: { id: "u" } }, { user: { plan: ["pro", null] } }],
  ["D8 a first payload has a map, not a pair", undefined, { user: { id: "u" }, segments: ["A"] }, { user: { id: [null, "u"] }, segments: { entered: ["A"], left: [] } }],
  ["a segment entered", { segments: ["A"] }, { segments: ["A", "B"] }, { segments: { entered: ["B"], left: [] } }],
  ["a segment left", { segments: ["A", "B"] }, { segments: ["B"] }, { segments: { entered: [], left: ["A"] } }],
  ["an account's segment", {}, { account_segments: ["X"] }, { account_segments: { entered: ["X"], left: [] } }],
  ["one trait of a group", { user: { id: "u", clearbit: { name: "X", size: 1 } } }, { user: { id: "u", clearbit: { name: "Y", size: 1 } } }, { user: { clearbit: { name: ["X", "Y"] } } }],
  ["a value that became a group", { user: { id: "u", clearbit: "x" } }, { user: { id: "u", clearbit: { a: 1 } } }, { user: { clearbit: ["x", { a: 1 }] } }],
  ["a group that went", { user: { id: "u", clearbit: { a: 1 } } }, { user: { id: "u" } }, { user: { clearbit: [{ a: 1 }, null] } }],
  ["an account that went", { account: { n: 1 } }, {}, { account: { n: [1, null] } }],
  ["a list is one value", { user: { id: "u", tags: ["a"] } }, { user: { id: "u", tags: ["a", "b"] } }, { user: { tags: [["a"], ["a", "b"]] } }],
  ["null is as good as absent", { user: { id: "u", plan: null } }, { user: { id: "u" } }, {}],
  ["a text is no number", { user: { id: "u", n: 1 } }, { user: { id: "u", n: "1" } }, { user: { n: [1, "1"] } }],
  ["nothing", { user: { id: "u", clearbit: { a: [1] } }, segments: ["A"] }, { user: { id: "u", clearbit: { a: [1] } }, segments: ["A"] }, {}],
];
const none = { user: {}, account: {}, segments: { entered: [], left: [] }, account_segments: { entered: [], left: [] } };

for (const [name, before, now, changes] of rows) {
  test("changes: " + name, () => {
    const got = changesOf(before && payload(before), payload(now));
    const want = { ...none, ...changes };
    if (!before) deepEqual({ ...got, ...changes }, { ...want, ...changes });
    else deepEqual(got, want);
    equal(differs(got), Object.keys(changes).length > 0);
  });
}

test("a number that JavaScript cannot hold is its text, where the engine gives it", () => {
  const { big, small, most } = read('{"big":9007199254740993,"small":1.10,"most":9007199254740991}');
  // Node 20 does not tell a reviver the text; Chromium does (shiptest).
  equal(typeof big == "string" ? big : String(big), typeof big == "string" ? "9007199254740993" : "9007199254740992");
  deepEqual([small, most], [1.1, 9007199254740991]);
});

test("a payload that is kept has neither events nor a script", () => {
  deepEqual(stored('{"user":{"id":"u"},"events":["x"],"script_url":"/evil.js"}'), { user: { id: "u" }, account: {}, segments: [], account_segments: [], events: [], script_url: "" });
});

for (const text of [null, undefined, "", "undefined", "null", "5", "[]", '"x"', "{", "{}", '{"user":{}}', '{"user":{"id":null}}', '{"user":{"id":"u"},"segments":5}', '{"user":{"id":"u"},"account_segments":{"a":1}}']) {
  test("D2 what is no payload is none: " + text, () => equal(stored(text), undefined));
}
