// The table of live visitors. Of thousands only those that can be seen are in the page.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { now } from "./api";
import { type Arranged, arrange } from "./arrange";
import { type Live, type Row, hold } from "./live";
import { Address, Empty, Segments, Text, Time, Who, short } from "./parts";
import { at } from "./route";
import { Changes } from "./scope";
import { duration } from "./time";

const narrow = matchMedia("(max-width: 48rem)");

/** The height of a row as admin.css has it, in pixels. */
const heightOf = () => (narrow.matches ? 132 : 60);

/** Rows beyond what is seen, on each side: one scrolls into them before they are drawn. */
const margin = 8;

type Props = { live: Live; match: (row: Row) => boolean; filtered: boolean; send: (visitor: string) => void };

export function LiveTable({ live, match, filtered, send }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const seen = useWindow(body);
  const [reading, setReading] = useState(false); // the pointer or the focus is in it
  const { order, waiting, show } = useOrder(live, match, reading || seen.first > 0);
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const from = Math.max(0, Math.min(seen.first, order.length - seen.count) - margin);
  const rows = order.slice(from, seen.first + seen.count + margin);
  const onKeyDown = useKeys(body, order, seen.height);
  const toTop = () => {
    show();
    body.current?.parentElement?.scrollIntoView();
  };
  return (
    <>
      <p class="news" role="status">
        {waiting > 0 && (
          <button type="button" onClick={toTop}>
            Show {waiting.toLocaleString()} new
          </button>
        )}
      </p>
      <div class="live" role="table" aria-label="Live visitors" aria-rowcount={order.length + 1}>
        <div class="row head" role="row" aria-rowindex={1}>
          {["Visitor", "Page", "Segments", "Time here", "Tabs", ""].map((name) => (
            <span role="columnheader" key={name}>
              {name || <span class="hidden">Actions</span>}
            </span>
          ))}
        </div>
        <div
          ref={body}
          class="body"
          role="rowgroup"
          style={{ height: order.length * seen.height + "px" }}
          onPointerEnter={(event) => event.pointerType === "mouse" && setReading(true)}
          onPointerLeave={() => setReading(Boolean(body.current?.contains(document.activeElement)))}
          onFocusIn={() => setReading(true)}
          onFocusOut={(event) => body.current?.contains(event.relatedTarget as Node | null) || setReading(false)}
          onKeyDown={onKeyDown}
        >
          {rows.map((id, i) => {
            const row = live.rows.get(id);
            return row && <VisitorRow key={id} connector={live.connector} row={row} index={from + i} top={(from + i) * seen.height} seconds={Math.floor(now() / 1000)} send={send} />;
          })}
        </div>
      </div>
      {!order.length && !waiting && filtered && (
        <Empty title="Nobody who is there matches">
          <p>Change the search, the segment or the page.</p>
        </Empty>
      )}
    </>
  );
}

/** The order of the rows: it holds still while somebody reads, and is made anew with the filter. */
function useOrder(live: Live, match: Props["match"], held: boolean): Arranged & { show: () => void } {
  const kept = useRef<{ order: string[]; match?: Props["match"]; live?: Live }>({ order: [] });
  const [, draw] = useState({});
  const same = kept.current.match === match && kept.current.live === live;
  const arranged = arrange(same ? kept.current.order : [], live.rows, match, held && same);
  kept.current = { order: arranged.order, match, live };
  useLayoutEffect(() => hold(held), [held]);
  useLayoutEffect(() => () => hold(false), []);
  const show = () => {
    kept.current = { ...kept.current, order: arrange(kept.current.order, live.rows, match, false).order };
    draw({});
  };
  return { ...arranged, show };
}

type Seen = { first: number; count: number; height: number };

/** Which rows can be seen: the page scrolls, not the table. */
function useWindow(body: { current: HTMLElement | null }): Seen {
  const [seen, setSeen] = useState<Seen>({ first: 0, count: 20, height: heightOf() });
  useLayoutEffect(() => {
    const measure = () => {
      const height = heightOf();
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const next = { first: Math.max(0, Math.floor(-top / height)), count: Math.ceil(innerHeight / height) + 1, height };
      setSeen((before) => (before.first === next.first && before.count === next.count && before.height === height ? before : next));
    };
    measure();
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, []);
  return seen;
}

/** The arrow keys go from row to row, Home and End to the first and the last. */
function useKeys(body: { current: HTMLElement | null }, order: string[], height: number) {
  const wanted = useRef(-1);
  useEffect(() => {
    if (wanted.current < 0) return;
    const row = body.current?.querySelector<HTMLElement>(`[aria-rowindex="${wanted.current + 2}"] a`);
    if (!row) return;
    wanted.current = -1;
    row.focus({ preventScroll: true });
  });
  return (event: KeyboardEvent) => {
    const row = event.target instanceof Element ? event.target.closest("[role=row]") : null;
    const index = Number(row?.getAttribute("aria-rowindex") ?? 2) - 2;
    const page = Math.max(1, Math.floor(innerHeight / height) - 2);
    const steps: { [key: string]: number } = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: order.length - 1 };
    const next = steps[event.key];
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    wanted.current = Math.max(0, Math.min(order.length - 1, next));
    const top = (body.current?.getBoundingClientRect().top ?? 0) + wanted.current * height;
    if (top < 2 * height) scrollBy({ top: top - 2 * height, behavior: "instant" });
    else if (top + 2 * height > innerHeight) scrollBy({ top: top + 2 * height - innerHeight, behavior: "instant" });
    body.current?.querySelector<HTMLElement>(`[aria-rowindex="${wanted.current + 2}"] a`)?.focus({ preventScroll: true });
  };
}

type RowProps = { connector: string; row: Row; index: number; top: number; seconds: number; send: (visitor: string) => void };

function VisitorRow({ connector, row: { visitor, left }, index, top, seconds, send }: RowProps) {
  const { page, tabs } = visitor;
  return (
    <div class={left ? "row left" : "row"} role="row" aria-rowindex={index + 2} style={{ transform: `translateY(${top}px)` }}>
      <span role="cell">
        <Who visitor={visitor} href={at(connector, "visitors", visitor.visitor)} />
      </span>
      <span role="cell" class="page">
        {page && (
          <>
            {page.title && (
              <b>
                <Text of={page.title} />
              </b>
            )}
            <small>
              <Address url={page.url}>
                <bdi dir="ltr">{short(page.url)}</bdi>
              </Address>
            </small>
          </>
        )}
      </span>
      <span role="cell">
        <Segments names={visitor.segments} />
      </span>
      <span role="cell" class="number">
        {left ? "left" : page && <Time at={page.at} as={(at) => duration(seconds * 1000 - Date.parse(at))} />}
      </span>
      <span role="cell" class="number tabs" title={tabs.map((tab) => tab.url).join("\n")}>
        {tabs.length || visitor.streams}
        <span class="unit"> {(tabs.length || visitor.streams) === 1 ? "tab" : "tabs"}</span>
      </span>
      <span role="cell" class="act">
        <Changes>
          <button type="button" disabled={left} onClick={() => send(visitor.visitor)}>
            Offer…
          </button>
        </Changes>
      </span>
    </div>
  );
}
