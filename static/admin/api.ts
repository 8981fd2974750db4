// Requests to the server, which knows who asks by the session's cookie.

import type { List } from "./types";

/** Refused is an answer that is not a success: what the server says of it (RFC 9457). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly code = "",
  ) {
    super(detail || title);
  }
}

/** What is done when the session is over: the operator signs in anew. */
let signedOut = () => {};
export const onSignedOut = (then: () => void) => {
  signedOut = then;
};

let skew = 0; // of this machine's clock to the server's, in milliseconds

/** The server's clock, as this machine knows it: to a second. */
export const now = () => Date.now() + skew;

/** Calls the server, and fails with a Refused. A body is JSON. */
export async function call(method: string, path: string, body?: string, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method, cache: "no-store", redirect: "error" };
  if (body !== undefined) Object.assign(init, { body, headers: { "Content-Type": "application/json" } });
  if (signal) init.signal = signal;
  const answer = await fetch("/api/v1" + path, init).catch((err: unknown) => {
    if (signal?.aborted) throw err;
    throw new Refused(0, "No connection", "The server cannot be reached. Is it running, and are you online?");
  });
  const date = Date.parse(answer.headers.get("Date") ?? "");
  if (date) skew = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  if (answer.ok) return answer;
  if (answer.status === 401 && path !== "/session") signedOut();
  throw await refusal(answer);
}

async function refusal(answer: Response): Promise<Refused> {
  const said: unknown = await answer.json().catch(() => null);
  const text = (name: string) => {
    const value = said && typeof said === "object" ? (said as Record<string, unknown>)[name] : undefined;
    return typeof value === "string" ? value : "";
  };
  const fields = said && typeof said === "object" ? fieldErrors((said as Record<string, unknown>)["errors"]) : "";
  const detail = [text("detail"), fields].filter(Boolean).join(" ");
  return new Refused(answer.status, text("title") || `The server answered ${answer.status}`, detail, text("code"));
}

/** The errors of single fields, in one sentence each. */
function fieldErrors(errors: unknown): string {
  if (!Array.isArray(errors)) return "";
  return errors
    .map((e: { pointer?: unknown; detail?: unknown }) => [e.pointer, e.detail].filter((s) => typeof s === "string").join(": "))
    .join("; ");
}

/** Reads what is at a path. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await call("GET", path, undefined, signal)).json()) as T;
}

/** Reads a list from a cursor on; "" begins. */
export const list = <Item>(path: string, cursor: string, signal?: AbortSignal): Promise<List<Item>> =>
  get(cursor ? path + (path.includes("?") ? "&" : "?") + "cursor=" + encodeURIComponent(cursor) : path, signal);

/** The path of a connector, or of what is under it. */
export const of = (connector: string, ...below: string[]) => ["/connectors", connector, ...below].map((part, i) => (i ? encodeURIComponent(part) : part)).join("/");
