// The visitors who are there now.

import { useEffect, useMemo, useState } from "preact/hooks";
import { type Filter, matcher } from "./arrange";
import { type Live, useLive } from "./live";
import { OfferDialog } from "./offer";
import { Busy, Empty, Problem, Snippet, snippetOf } from "./parts";
import { LiveTable } from "./table";
import { at } from "./route";
import { Changes } from "./scope";
import type { To } from "./types";

export function Visitors({ connector }: { connector: string }) {
  const live = useLive(connector);
  const [filter, setFilter] = useState<Filter>({ q: "", segment: "", page: "" });
  const [to, setTo] = useState<To>();
  const match = useMemo(() => matcher(filter), [filter]);
  const filtered = filter.q || filter.segment || filter.page;
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Live visitors</h1>
        <State live={live} />
        <Changes>
          <button type="button" class="main" onClick={() => setTo(meant(filter))}>
            Send an offer
          </button>
        </Changes>
      </div>
      <Filters live={live} filter={filter} set={setFilter} />
      <Problem error={live.state === "broken" ? live.error : undefined} />
      {live.ready && !live.rows.size ? (
        <Nobody connector={connector} />
      ) : live.ready || live.rows.size ? (
        <LiveTable live={live} match={match} filtered={Boolean(filtered)} send={(visitor) => setTo({ visitor })} />
      ) : (
        live.state !== "broken" && <Busy what="the visitors" />
      )}
      {to && <OfferDialog connector={connector} to={to} live={live} close={() => setTo(undefined)} />}
    </>
  );
}

/** Whom an offer means that is begun beside a filter. */
function meant({ segment, page }: Filter): To {
  return segment ? { segment } : page.trim() ? { page: page.trim() } : { all: true };
}

export function State({ live }: { live: Live }) {
  const words = { opening: "Connecting…", open: `${live.count.toLocaleString()} live`, broken: "Connection lost. Trying again…" };
  return <p class={"state " + live.state}>{words[live.state]}</p>;
}

function Filters({ live, filter, set }: { live: Live; filter: Filter; set: (filter: Filter) => void }) {
  const segments = useSegments(live, filter.segment);
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>Search</span>
        <input type="search" value={filter.q} onInput={(event) => set({ ...filter, q: event.currentTarget.value })} placeholder="Name, email, page" />
      </label>
      <label>
        <span>Segment</span>
        <select value={filter.segment} onChange={(event) => set({ ...filter, segment: event.currentTarget.value })}>
          <option value="">All</option>
          {segments.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Page</span>
        <input value={filter.page} onInput={(event) => set({ ...filter, page: event.currentTarget.value })} placeholder="/pricing or /docs/**" autocomplete="off" spellcheck={false} />
      </label>
    </form>
  );
}

/** The segments of those who are there, read every two seconds, and the one that is chosen. */
function useSegments(live: Live, chosen: string): string[] {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    const read = () => {
      const found = new Set<string>();
      for (const { visitor } of live.rows.values()) for (const name of visitor.segments) found.add(name);
      const sorted = [...found].sort((a, b) => a.localeCompare(b));
      setNames((before) => (before.join("\n") === sorted.join("\n") ? before : sorted));
    };
    read();
    const timer = setInterval(read, 2000);
    return () => clearInterval(timer);
  }, [live, live.ready]);
  return !chosen || names.includes(chosen) ? names : [chosen, ...names];
}

const Nobody = ({ connector }: { connector: string }) => (
  <Empty title="Nobody is there right now">
    <p>Visitors appear here as soon as they open a page with this line in its head:</p>
    <Snippet text={snippetOf(connector)} />
    <p>
      It is there, and nobody appears? <a href={at(connector, "settings")}>Look at the connector's findings</a>, or read{" "}
      <a href="/docs/start" target="_blank" rel="noopener">
        how to start
      </a>
      . Who was there before is under <a href={at(connector, "people")}>People</a>.
    </p>
  </Empty>
);
