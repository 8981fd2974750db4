// Expressions over what is known of a visitor: docs/attributes.md has the grammar, and
// the examples that the test reads.

import { debug } from "./page";
import type { Update } from "./types";

/** Own members only: what every object inherits is not a trait. Null: there is none. */
const member = (of: unknown, name: string): unknown => ({ __proto__: null, ...(of as Record<string, unknown>) })[name] ?? null;

/** Imports make texts of what were booleans and numbers: "false" and "0" are meant as such. */
export const isFalse = (value: unknown): boolean => /^(0|false|)$/i.test((typeof value == "object" ? Object.keys(value ?? 0).length : value ?? "") as string);

const compare = (a: unknown, operator: string, b: unknown): boolean => {
  const isNumber = /number/.test(typeof a + typeof b);
  // NaN is neither equal to anything, nor less or more.
  const [x, y] = [a, b].map((value) => (typeof value == "object" ? NaN : isNumber ? (parseFloat(value as string) == value ? +value! : NaN) : "" + value)) as [number, number];
  const relation = x == y || a === b ? "=" : x < y ? "<" : x > y ? ">" : "no";
  return operator.includes(relation) != (operator[0] == "!");
};

/** An operator; a text; whose, a list, and a name that may end in a text; anything else. */
const token = /([<>=]=?|!=)|(['"])(.*?)\2|(?:(user|account)\.|(event|(?:account_)?segment):)([^\s()<>=!'"]*)(?:(['"])(.*?)\7)?|[^\s()<>=!'"]+|\S/gs;

/** Throws when it is no expression. */
const evaluate = (expression: string, state: Update | undefined): unknown => {
  const tokens: string[][] = [...expression.matchAll(token), []];
  let at = 0;
  const take = (word: string): unknown => tokens[at]![0] == word && ++at;
  /** The first operand that decides, or the last one. */
  const operands = (word: string, operand: () => unknown): unknown => {
    let value = operand();
    while (take(word)) {
      const next = operand();
      if (isFalse(value) == (word == "or")) value = next;
    }
    return value;
  };
  const either = (): unknown => operands("or", () => operands("and", test));
  const test = (): unknown => {
    if (take("not")) return isFalse(test());
    const left = value();
    const operator = tokens[at]![1];
    return operator ? compare(left, operator, (at++, value())) : left;
  };
  const value = (): unknown => {
    const [word, , quote, text, root, list, start = "", , end = ""] = tokens[at++]!;
    const name = start + end;
    if (word == "(") {
      const inner = either();
      if (take(")")) return inner;
    }
    if (quote) return text;
    if (!name) return JSON.parse(word!);
    if (list) return [member(state, list + "s")].flat().includes(name);
    const of = member(state, root!);
    // An account has Hull's names with their slashes, a user has groups.
    return member(of, name) ?? name.split(/[./]/).reduce(member, of);
  };
  const result = either();
  if (tokens[at]![0]) throw 0;
  return result;
};

const wrong = new Set<string>();

/**
 * The value of an expression; without a state as for a visitor of whom nothing is known.
 * Undefined: the expression is wrong, which is said once, when lines in the console are
 * asked for.
 */
export const valueOf = (expression: string, state: Update | undefined): unknown => {
  try {
    return evaluate(expression, state);
  } catch {
    if (!wrong.has(expression)) debug("not an expression:", expression);
    wrong.add(expression);
  }
};
