// The event stream of the live view, frame by frame.

import { useEffect, useRef, useState } from "preact/hooks";
import { now, of } from "./api";
import { type Frame, follow } from "./events";
import { Empty, Problem, Time } from "./parts";
import { clockOf } from "./time";

type Entry = { key: number; at: string; event: string; data: string; raw: string };

/** Entries that are kept, and of those that match shown: the latest. */
const kept = 2000;
const shownAtMost = 200;

export function Inspector({ connector }: { connector: string }) {
  const [paused, setPaused] = useState(false);
  const { entries, types, open, error, clear } = useFrames(connector, paused);
  const [without, setWithout] = useState<ReadonlySet<string>>(new Set());
  const [q, setQ] = useState("");
  const words = q.trim().toLowerCase();
  const matching = entries.filter(({ event, raw }) => !without.has(event) && (!words || raw.toLowerCase().includes(words)));
  const toggle = (type: string) => setWithout((before) => new Set(before.has(type) ? [...before].filter((t) => t !== type) : [...before, type]));
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Events</h1>
        <p class={"state " + (open ? "open" : "broken")}>{open ? "connected" : error ? "Connection lost" : "Connecting…"}</p>
        <span class="buttons">
          <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
            {paused ? "Go on" : "Pause"}
          </button>
          <button type="button" onClick={clear}>
            Clear
          </button>
        </span>
      </div>
      <p class="quiet">
        The frames of <code>GET /api/v1{of(connector, "live")}</code>, the latest first. What a page of a visitor would get is under Explain.
      </p>
      <Problem error={error} />
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="wide">
          <span>Containing</span>
          <input type="search" value={q} onInput={(event) => setQ(event.currentTarget.value)} placeholder="A visitor, topic, page, offer" spellcheck={false} />
        </label>
        <fieldset class="wide">
          <legend>Event types</legend>
          {types.map(([type, count]) => (
            <label key={type} class="choice">
              <input type="checkbox" checked={!without.has(type)} onChange={() => toggle(type)} /> {type} <small>{count.toLocaleString()}</small>
            </label>
          ))}
        </fieldset>
      </form>
      {!matching.length && (
        <Empty title={entries.length ? "No frame matches" : "No frame yet"}>
          <p>{entries.length ? "Choose more event types, or change the search." : "Frames appear as the server sends them: who comes, goes, looks at a page, or gets an offer."}</p>
        </Empty>
      )}
      <ol class="frames">
        {matching.slice(0, shownAtMost).map(({ key, at, event, data, raw }) => (
          <li key={key}>
            <details>
              <summary>
                <Time at={at} as={clockOf} /> <b>{event}</b> <span class="data">{data}</span>
              </summary>
              <pre tabIndex={0}>{raw}</pre>
            </details>
          </li>
        ))}
      </ol>
      {matching.length > shownAtMost && <p class="quiet">The latest {shownAtMost} of {matching.length.toLocaleString()} are shown.</p>}
    </>
  );
}

/** Frames of the stream, drawn at most once per frame of the screen. While it is paused they are kept, and not shown. */
function useFrames(connector: string, paused: boolean) {
  const all = useRef<{ entries: Entry[]; counts: Map<string, number>; open: boolean; error?: Error; next: number }>({ entries: [], counts: new Map(), open: false, next: 0 });
  const shown = useRef<Entry[]>([]);
  const [, draw] = useState({});
  useEffect(() => {
    const state = all.current;
    const stop = new AbortController();
    let drawing = 0;
    const changed = () => {
      drawing ||= requestAnimationFrame(() => {
        drawing = 0;
        draw({});
      });
    };
    const add = (event: string, data: string, raw: string) => {
      state.entries.push({ key: state.next++, at: new Date(now()).toISOString(), event, data, raw });
      if (state.entries.length > 2 * kept) state.entries.splice(0, kept);
      state.counts.set(event, (state.counts.get(event) ?? 0) + 1);
      changed();
    };
    const opened = (open: boolean, error?: Error) => {
      state.open = open;
      delete state.error;
      if (error) state.error = error;
      changed();
    };
    void follow(of(connector, "live"), { event: (frame) => add(frame.event, frame.data, rawOf(frame)), state: opened, aside: (text) => add("no event", text, text) }, stop.signal);
    return () => {
      stop.abort();
      cancelAnimationFrame(drawing);
      state.entries = [];
      state.counts.clear();
    };
  }, [connector]);
  const state = all.current;
  if (!paused) shown.current = state.entries.slice(-kept).reverse();
  const clear = () => {
    state.entries = [];
    shown.current = [];
    draw({});
  };
  return { entries: shown.current, types: [...state.counts].sort(([a], [b]) => a.localeCompare(b)), open: state.open, error: state.error, clear };
}

/** A frame as it is on the wire. */
const rawOf = ({ event, data, id }: Frame) =>
  [`event: ${event}`, ...data.split("\n").map((line) => "data: " + line), ...(id === undefined ? [] : ["id: " + id])].join("\n");
