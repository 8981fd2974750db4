// Reads an event stream. Unlike EventSource it tells why a stream is refused, and shows
// comments and reconnection times to the inspector.

import { createParser, type EventSourceMessage } from "eventsource-parser";
import { Refused, call } from "./api";

export type Frame = { event: string; data: string; id?: string };

export type Reader = {
  event: (frame: Frame) => void;
  /** It is open, or it broke and is opened again: why, as far as one knows. */
  state: (open: boolean, error?: Error) => void;
  /** Lines that are no events: comments and reconnection times. */
  aside?: (text: string) => void;
};

/** The longest silence: twice the server's heartbeat, and some. */
const silence = 45_000;
const firstWait = 1_000;
const longestWait = 30_000;

/** Opens what is at path, again and again until signal. It stops when the server refuses it for good. */
export async function follow(path: string, reader: Reader, signal: AbortSignal): Promise<void> {
  let wait = firstWait;
  while (!signal.aborted) {
    const told = await once(path, reader, signal, () => (wait = firstWait));
    if (signal.aborted) return;
    reader.state(false, told.error);
    if (told.error instanceof Refused && final(told.error.status)) return;
    await pause(told.wait ?? wait * (0.5 + Math.random() / 2), signal);
    wait = Math.min(2 * wait, longestWait);
  }
}

const final = (status: number) => status >= 400 && status < 500 && status !== 408 && status !== 429;

/** Reads one stream to its end, and returns what that says of the next. */
async function once(path: string, reader: Reader, signal: AbortSignal, opened: () => void): Promise<{ error?: Error; wait?: number }> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  signal.addEventListener("abort", stop);
  let timer = setTimeout(stop, silence);
  let wait: number | undefined;
  const parser = createParser({
    onEvent: (message) => {
      if (message.event === "close") wait = waitOf(message.data);
      reader.event(frameOf(message));
    },
    onComment: (text) => reader.aside?.(": " + text),
    onRetry: (retry) => reader.aside?.("retry: " + retry),
  });
  try {
    const answer = await call("GET", path, undefined, abort.signal);
    opened();
    reader.state(true);
    const text = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await text.read(); !part.done; part = await text.read()) {
      clearTimeout(timer);
      timer = setTimeout(stop, silence);
      parser.feed(part.value);
    }
    return wait === undefined ? {} : { wait };
  } catch (err) {
    return { error: abort.signal.aborted ? new Error("The connection fell silent.") : err instanceof Error ? err : new Error(String(err)) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

const frameOf = (message: EventSourceMessage): Frame => ({
  event: message.event ?? "message",
  data: message.data,
  ...(message.id === undefined ? {} : { id: message.id }),
});

/** When the server says that one may come back. */
function waitOf(data: string): number | undefined {
  try {
    const said: unknown = (JSON.parse(data) as { reconnect_in_ms?: unknown }).reconnect_in_ms;
    return typeof said === "number" ? Math.min(said, longestWait) : undefined;
  } catch {
    return undefined;
  }
}

const pause = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()));
  });
