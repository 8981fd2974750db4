// JSON whose numbers keep their text, where the browser can: 1.0 and 12345678901234567890
// are shown as they are.

type Raw = { rawJSON?: (text: string) => unknown };
const { rawJSON } = JSON as Raw;

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** Parses a text. A number that JavaScript would write otherwise becomes its text. */
export function exact<T>(text: string): T {
  const keep: Reviver = (_, value, context) =>
    typeof value === "number" && rawJSON && context?.source !== undefined && String(value) !== context.source ? rawJSON(context.source) : value;
  return JSON.parse(text, keep) as T;
}

/** Prints what exact has parsed. */
export const print = (value: unknown) => JSON.stringify(value, null, 2);
