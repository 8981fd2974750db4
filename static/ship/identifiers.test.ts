import assert from "node:assert/strict";
import { test } from "node:test";
import { linked, merge } from "./identifiers.ts";

test("the first source that has a kind wins, anonymous ids unite", () => {
  assert.deepEqual(merge([{ id: "1", email: "a@example.com", anonymous_id: "x" }, undefined, {}, { id: "2", external_id: "user", email: "b@example.com", anonymous_id: ["y", "x"] }, { anonymous_id: "x" }]), {
    id: "1",
    external_id: "user",
    email: "a@example.com",
    anonymous_id: ["x", "y"],
  });
});

test("nothing but texts and numbers are identifiers, and not those that say nothing or that a server refuses", () => {
  const none = ["", " ", "undefined", "null", " null ", "NaN", NaN, 0, "0", null, undefined, true, {}, ["a"], () => "a", Symbol("a"), "a\nb", "\ud800", "\ufffd", "é".repeat(129)];
  for (const value of none) assert.deepEqual(merge([{ id: value, external_id: value, email: value, anonymous_id: [value] }]), {}, String(value));
  assert.deepEqual(merge([{ id: -1, external_id: 7, email: "nullable@example.com", anonymous_id: "é".repeat(128) }]), {
    id: "-1",
    external_id: "7",
    email: "nullable@example.com",
    anonymous_id: ["é".repeat(128)],
  });
});

test("at most ten anonymous ids, the best", () => {
  const ids = Array.from({ length: 12 }, (_, i) => "visitor-" + i);
  assert.deepEqual(merge(ids.map((id) => ({ anonymous_id: id }))), { anonymous_id: ids.slice(0, 10) });
});

test("D11 a link claims a user and an email, but no anonymous id", () => {
  assert.deepEqual(merge([linked("?ajs_uid=7&ajs_email=&ajs_trait_email=a%40example.com&ajs_aid=x")]), { external_id: "7", email: "a@example.com" });
  assert.deepEqual(merge([linked("")]), {});
  assert.deepEqual(merge([linked("?ajs_uid=%&ajs_uid=2")]), { external_id: "%" });
});
