import { test } from "node:test";
import { equal } from "node:assert/strict";
import { duration, localClock } from "./time.ts";

process.env["TZ"] = "Europe/Berlin";

const durations: [milliseconds: number, text: string][] = [
  [-5, "0 s"],
  [59_999, "59 s"],
  [187_000, "3:07"],
  [3_723_000, "1:02:03"],
  [86_400_000, "1 day"],
  [200_000_000, "2 days"],
];
for (const [milliseconds, text] of durations) test(`${milliseconds} ms are ${text}`, () => equal(duration(milliseconds), text));

const clocks: [name: string, local: string, text: string][] = [
  ["the same day", "2026-01-31T20:00:05+09:00", "20:00:05 (UTC+09:00)"],
  ["another day", "2026-02-01T01:00:05+14:00", "2026-02-01 01:00:05 (UTC+14:00)"],
  ["UTC", "2026-01-31T11:00:05.123Z", "11:00:05 (UTC)"],
  ["what is no time", "<b>now</b>", ""],
];
for (const [name, local, text] of clocks) test(`the visitor's clock: ${name}`, () => equal(localClock(local, "2026-01-31T11:00:05.000Z"), text));
