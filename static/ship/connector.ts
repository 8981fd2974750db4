// One connector of the page: whom it asks for, what it is told, and what of that is kept
// for the next page.

import { stream } from "./connection";
import type { Target } from "./connection";
import { emit } from "./emitter";
import { merge } from "./identifiers";
import type { Claims, Found } from "./identifiers";
import type { Options } from "./options";
import { attempt, debug, keep, kept } from "./page";
import { type Connection, type More, type Receive, personalized } from "./parts";
import { changesOf, differs, stored } from "./state";
import type { Payload } from "./state";
import type { Changes, Events, Identity, Status, Update } from "./types";

declare const MORE: string; // the file's name, with its hash: ci/snippet.sh

/** What is kept in storage of a connector. Anybody may have written it. */
interface Kept {
  /** Under which claims the state was told. */
  claims?: Claims;
  /** Whether with a proof. */
  signed?: boolean;
  /** The latest payload, as it was sent. */
  text?: string;
  /** The visitor's key: this browser's. */
  key?: string;
}

export interface Connector {
  id_: string;
  state_(): Update | undefined;
  /** Whether there is a state, or none will come. */
  settled_(): boolean;
  /** Looks what is known of the visitor now, and opens the stream that fits unless it is open. */
  update_(): void;
  /** Forgets the visitor, here and in storage. */
  forget_(): void;
  /** Ends the stream until update. */
  pause_(): void;
  /** Ends a stream that is of no use, or has missed a heartbeat and may be dead though nothing says so. */
  doubt_(): void;
  more_(work: (more: More, connection: Connection) => void): void;
}

/** Silence, in heartbeats, after which a stream is not trusted by somebody who comes back to it. */
const doubtful = 1.2;

/** Until a part that did not come is asked for again, in milliseconds. */
const partPause = 10000;

/** Names this document for page views. It is no secret. */
const view = Math.random().toString(36).slice(2);

/** Whom an identity token is about; who made it is the server's to judge. */
const about = (token = ""): Identity | undefined => attempt(() => JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))));

const isEmpty = (claims: Claims) => !Object.keys(claims)[0];

/**
 * Makes a connector, which does nothing before update. The page's first one takes the state
 * that the page was rendered with. `stated` is what the site says of the visitor; `present`
 * shows the state in the page.
 */
export const connect = (options: Options, isFirst: boolean, stated: () => Identity, found: () => Found, present: () => void): Connector => {
  const id = options.hullId!;
  const endpoint = options.hullEndpoint!.replace(/\/$/, "");
  const name = "hull_browser:" + id;

  let record: Kept = { ...attempt(() => JSON.parse(kept(name)!)) };
  let shown: (Payload & Update) | undefined;
  let isKept = false; // the record is in storage: where it is not any more, another page has forgotten the visitor
  let visit = 0; // of how many visitors in this page
  let begun = false; // something was shown, or hidden: what was there before counts no more
  let lastEventId = "";
  let stop: (() => void) | undefined;
  let opened: string | undefined; // for whom
  let state: Status["state"] | undefined;
  let heard = 0; // when, by the clock: timers of hidden pages run late
  let heartbeat = 15000;
  let asked = {}; // what a token is asked for with
  let own: string | undefined; // an anonymous id of our own making
  let fetched: Promise<More> | undefined;

  const more = () =>
    (fetched ??= import(endpoint + "/ship/" + MORE).catch((error) => {
      fetched = undefined;
      setTimeout(update, partPause);
      throw error;
    }));
  const use: Connector["more_"] = (work) => {
    const of = visit; // what is of one visitor is not done for the next
    more().then((it) => of == visit && work(it, connection)).catch(debug);
  };
  const save = () => {
    if (record.claims) keep(name, JSON.stringify(record));
    isKept = !!kept(name);
  };

  const connection: Connection = {
    id,
    endpoint,
    options,
    view,
    get tab() {
      return attempt(() => (sessionStorage.hull_browser_tab ||= view) as string) || view;
    },
    token: () => target.answer_?.token,
    visit: () => visit,
    asked: () => !!opened,
    state: () => shown,
  };

  const target: Target = {
    url_: endpoint + "/api/v1/connectors/" + id + "/token",
    body_: () => ({ ...asked, visitor_key: `${record.key ?? ""}`, page: { tab: connection.tab, view } }),
    lastEventId_: () => lastEventId,
    notBefore_: 0,
  };

  const tell = <Name extends keyof Events>(event: Name, argument: object) => {
    const whole = { ...argument, connector: id } as Events[Name];
    Promise.resolve().then(() => emit(event, whole)); // whatever a listener calls, it is called between two steps of ours
    if (options.destinations) use((to) => to.push(options.destinations!, event, whole));
  };

  /** Shows a state; without changes it is the one that a page begins with. */
  const show = (payload: Payload, changes?: Changes) => {
    if (!shown) attempt(() => performance.mark(personalized));
    begun = true;
    shown = { ...payload, changes, connector: id };
    present();
    tell("user.update", shown);
    changes?.segments.entered.forEach((segment) => tell("segment.enter", { segment }));
    changes?.segments.left.forEach((segment) => tell("segment.leave", { segment }));
  };

  /** The page is as if nothing were known of the visitor. */
  const hide = (told: object | undefined = shown && { user: { id: shown.user.id } }) => {
    begun = true;
    record.text = shown = undefined;
    lastEventId = "";
    save();
    present();
    if (told) tell("user.private", told);
  };

  const handlers: { [type: string]: (data: never) => void } = {
    "user.update": (payload: Payload) => {
      if (shown && shown.user.id != payload.user.id) hide(); // two people are not compared
      const changes = changesOf(shown, payload);
      const script = payload.script_url;
      const another = script != shown?.script_url;
      record.text = JSON.stringify(payload);
      save();
      if (differs(changes) || payload.events[0]) show(payload, changes);
      else if (!another) return;
      shown!.script_url = script;
      if (script) use((it) => it.run(connection, script, shown!));
    },
    "user.private": hide,
    "user.error": (error: Events["user.error"]) => {
      if (error.message == "not_found") hide();
      tell("user.error", error);
    },
    offer: (offer: Events["offer"]) => use((it) => it.offer(connection, { ...offer, connector: id }, () => tell("offer", offer))),
    status: (status: Events["status"]) => {
      state = status.state;
      debug(state, status.code ?? "");
      if (state == "refused" && shown) hide();
      present();
      tell("status", status);
    },
    token: (answer: Target["answer_"]) => {
      target.answer_ = answer;
      if (!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl) record.key = answer!.visitor_key;
      save();
      if (options.track != null) use((it) => it.views(connection));
    },
  };

  const receive: Receive = (type, data, eventId) => {
    if (eventId) lastEventId = eventId;
    heard = Date.now();
    heartbeat = (data as { heartbeat_ms?: number }).heartbeat_ms || heartbeat;
    attempt(() => handlers[type]?.(data as never));
  };

  const claimed = () => merge([record.claims]);
  const signs = () => !!(stated().identity_token || stated().user_hash);

  /** Whether whose claims were kept can be who is there now: somebody whose name, or proof, is not there any more has signed out. */
  const same = (now: Claims): boolean =>
    (!record.signed || signs()) &&
    (Object.entries(claimed()) as [keyof Claims, unknown][]).every(([kind, then]) => [then].flat().some((one) => ([now[kind]].flat() as unknown[]).includes(one)));

  /** Where nothing is known, the last visitor may be who is there, unless that was somebody with a name. */
  const mayBeTheLast = (now: Claims, waiting: boolean): boolean =>
    isEmpty(now) ? !waiting && !record.signed && Object.keys(claimed())[0] == "anonymous_id" : !isEmpty(claimed()) && same(now);

  /** Begins with what the page was rendered with, or with what the last page knew of the same visitor. */
  const boot = (now: Claims, waiting: boolean) => {
    if (begun) return;
    const payload = stored(isFirst ? attempt(() => document.querySelector("script#hull-state")!.textContent) : "") ?? (mayBeTheLast(now, waiting) ? stored(record.text) : undefined);
    if (payload) show(payload);
  };

  /** Opens the stream, with the other tabs if they can. */
  const open = (shared: string) => {
    let end: (() => void) | undefined;
    heard = Date.now();
    const mine = (stop = () => {
      stop = undefined;
      end?.();
    });
    more()
      .then((it) => it.active.then(() => (options.share == "off" ? undefined : it.share)))
      .catch(() => undefined)
      .then((share) => {
        if (stop == mine) end = share ? share(shared, stream(target), receive) : stream(target)(receive);
      });
  };

  const forget = () => {
    stop?.();
    record = {};
    hide();
    visit++;
    isKept = false;
    target.answer_ = opened = own = undefined;
  };

  const update = () => {
    more().catch(debug);
    if (isKept && !kept(name)) forget();
    const { claims: seen, waiting } = found();
    const { identity_token, user_hash } = stated();
    let claims = merge([about(identity_token), stated(), seen, { anonymous_id: own }]);
    boot(claims, waiting);
    if (waiting) return;
    if (isEmpty(claims) && options.ownId != null && own == null) {
      use((it) => {
        own = it.ownId() ?? "";
        update();
      });
      return;
    }
    const who = isEmpty(claims) ? record.claims : claims;
    if (isEmpty(claims) && mayBeTheLast(claims, false)) claims = merge([record.claims, { id: shown?.user.id }]);
    const wanted = JSON.stringify([claims, identity_token, user_hash]);
    if (wanted != opened) {
      stop?.();
      if (!same(claims)) {
        hide();
        record = {};
        visit++;
      }
      opened = wanted;
      record.claims = who;
      record.signed = signs();
      target.answer_ = undefined;
      asked = { claims, identity_token, user_hash };
    }
    if (isEmpty(claims)) tell("status", { state: "waiting" });
    else if (!stop) open(JSON.stringify([endpoint, id, claims, signs()]));
  };

  return {
    id_: id,
    state_: () => shown,
    settled_: () => !!shown || state == "refused",
    update_: update,
    forget_: forget,
    pause_: () => {
      if (!stop) return;
      stop();
      tell("status", { state: "paused" });
    },
    doubt_: () => {
      if (state == "refused") return;
      if (state == "waiting" || heard + heartbeat * doubtful < Date.now()) stop?.();
    },
    more_: use,
  };
};
