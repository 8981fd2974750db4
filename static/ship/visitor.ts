// What the visitor does: page views, an email, what becomes of offers.

import { attempt } from "./page";
import { type Connection, type More, personalized } from "./parts";
import { optsOut } from "./privacy";
import { onRoute } from "./routes";

/** What is told: by whose token, to which route, and what. */
type Message = [connection: Connection, path: string, body: object, visit?: number];

/** What is to be told when there is a token: the latest. */
let waiting: Message[] = [];
const mostWaiting = 20;

/** Connections that have had a token: where it is gone and none is asked for, consent is gone too, and nothing waits. */
const had = new WeakSet<Connection>();

/**
 * Tells Hullbeam, without a preflight, without waiting, and though the page may be left.
 * A beacon does so where fetch cannot. Elsewhere it is not as good: its Origin is null in
 * pages whose Referrer-Policy is same-origin or stricter (Beacon, 3.1; Fetch, 3.1), and
 * is refused.
 */
const tell = (...message: Message) => {
  const [connection, path, body, visit = connection.visit()] = message;
  const token = connection.token();
  if (!token) {
    if (!had.has(connection) || connection.asked()) waiting = [...waiting, [connection, path, body, visit] as Message].slice(-mostWaiting);
    return;
  }
  if (visit != connection.visit()) return; // somebody else is there now
  had.add(connection);
  const url = connection.endpoint + "/api/v1/" + path;
  const text = JSON.stringify({ token, ...body });
  attempt(() =>
    "keepalive" in Request.prototype
      ? fetch(url, { method: "POST", body: text, keepalive: true, credentials: "omit" }).catch(() => {})
      : navigator.sendBeacon(url, text),
  );
};

document.addEventListener("hull:status", () => {
  const due = waiting;
  waiting = [];
  for (const message of due) tell(...message);
});

export const email: More["email"] = (connection, address) => tell(connection, "visitors/email", { email: address });

export const receipt: More["receipt"] = (connection, offer, what) =>
  tell(connection, `offers/${encodeURIComponent(offer)}/receipt`, { event: what });

/** RFC 3339, as the clock on the wall has it: the offset is where every Date's text has it (ECMAScript, 21.4.4.41). */
const localTime = (now = new Date()): string =>
  new Date(+now - now.getTimezoneOffset() * 6e4).toISOString().slice(0, 19) + `${now}`.replace(/.*GMT(...)(..).*/, "$1:$2");

/** Where the visitor is. Another fragment is the same place, unless it is an application's route. */
const place = (): string => location.pathname + location.search + (/^#!?\//.test(location.hash) ? location.hash : "");

/** The title of a view is read so late, in milliseconds, or when the page is left: applications set it a while after the route. */
const titleWait = 1000;

/** Of how many page views one reports how long it took until it was personalized. */
const sampled = 10;

/** Hullbeam takes no longer times, in milliseconds: of a page that was open for so long nobody has waited. */
const longest = 600_000;

/** From the start of the navigation, or from when a page that was loaded in advance is shown, in milliseconds. */
const personalizedAfter = (): number | undefined =>
  attempt(() => {
    const [navigation] = performance.getEntriesByType("navigation") as (PerformanceEntry & { activationStart?: number })[];
    const [mark] = performance.getEntriesByName(personalized);
    const after = Math.round(Math.max(0, mark!.startTime - (navigation!.activationStart ?? 0)));
    return after <= longest ? after : undefined;
  });

/** Connections whose views are told. */
const viewed = new WeakSet<Connection>();

export const views: More["views"] = (connection) => {
  if (viewed.has(connection) || optsOut()) return;
  viewed.add(connection);
  const { tab } = connection;
  let view = connection.view;
  let count = 0;
  let here = place();
  let url = location.href;
  let untold: Message | undefined; // the view whose title may still come
  let timer = 0;
  let reports = !document.hidden && Math.random() * sampled < 1; // who opens a page behind another does not wait for it

  const finish = () => {
    clearTimeout(timer);
    if (untold) {
      Object.assign(untold[2], { title: document.title.slice(0, 300) });
      tell(...untold);
    }
    untold = undefined;
  };
  const begin = (referrer: string) => {
    finish();
    url = location.href;
    untold = [connection, "pages", { url, referrer, local_time: localTime(), tab, view }, connection.visit()];
    timer = setTimeout(finish, titleWait);
  };
  const next = (referrer: string) => {
    view = connection.view + "." + ++count;
    begin(referrer);
  };

  begin(document.referrer);
  onRoute(() => {
    if (here == place()) return;
    here = place();
    next(url);
  });
  addEventListener("pagehide", () => {
    finish();
    tell(connection, "pages", { tab, view, gone: true, personalized_ms: reports ? personalizedAfter() : undefined });
    reports = false;
  });
  addEventListener("pageshow", (event) => event.persisted && next(document.referrer)); // out of the back/forward cache
  document.addEventListener("visibilitychange", () => document.hidden && finish()); // phones end hidden pages without a word
};
