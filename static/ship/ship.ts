// The page snippet: reads which connectors the page has, and gives the page window.hullBrowser.

import { attributes } from "./attributes";
import { connect } from "./connector";
import type { Connector } from "./connector";
import { listen, unlisten } from "./emitter";
import { identifiers } from "./identifiers";
import type { Options } from "./options";
import { attempt, forgetKept } from "./page";
import type { HullBrowser, Identity } from "./types";

declare global {
  interface Window {
    Hull?: {
      emit?: (name: string, argument: unknown) => void;
      /** Tells a script that Hull.js has put into the page which connector it is (docs/hull-protocol.md, 9.1). */
      onEmbed?: (embedded: (insertion: unknown, deployment: { ship: { id: string; source_url: string } }) => void) => void;
    };
  }
}

/** The calls that a page made before this script was there (docs/personalization.md). */
type Stub = { q?: [name: keyof HullBrowser, values: never[]][] };

const standardWait = 300; // milliseconds from the page's beginning
const standardHidden = 300; // seconds

/** What a page has once, however many connectors it has. */
const begin = (): HullBrowser => {
  const connectors: Connector[] = [];
  let consented: boolean | undefined; // undefined: nobody has been asked
  let asleep = false; // the page is left, frozen, or hidden for long
  let waiting = true; // marked elements wait
  let living = false; // the part that follows the page's life has been asked for
  let hidden = standardHidden;
  let identity: Identity | undefined; // said by the site, in place of its tags

  const all = (work: (connector: Connector) => void) => connectors.forEach(work);
  const state = (id?: string) => (id ? connectors.find((one) => one.id_ == id) : connectors[0])?.state_();
  const show = attributes(state);
  const present = () => show(waiting && connectors.some((one) => !one.settled_()));
  const forget = () => {
    all((one) => one.forget_());
    forgetKept();
  };
  const allowed: typeof all = (work) => {
    if (consented != false) all(work);
  };
  const update = () => {
    if (consented == false || asleep) return;
    if (!living && connectors[0]) {
      connectors[0].more_((more) => {
        if (living) return;
        living = true;
        more.live(hidden, sleep, wake, () => {
          all((one) => one.forget_()); // whom this page itself names is asked for again
          look();
        });
        more.onRoute(() => {
          look();
          present();
        });
        more.forms(api.email);
      });
    }
    all((one) => one.update_());
  };
  const finder = identifiers((signedOut) => {
    if (signedOut) forget();
    update();
  });
  const look = () => {
    if (consented != false) finder.look(); // which makes libraries store what they have not stored yet
    update();
  };
  const sleep = () => {
    asleep = true;
    all((one) => one.pause_());
  };
  const wake = () => {
    asleep = false;
    all((one) => one.doubt_());
    look();
  };

  const api: HullBrowser = {
    on: (pattern: string, listener: (argument: never) => void) => (listen(pattern, listener, false), api),
    once: (pattern: string, listener: (argument: never) => void) => (listen(pattern, listener, true), api),
    off: (pattern, listener) => (unlisten(pattern, listener), api),
    consent: (given) => {
      consented = given;
      if (!given) {
        all((one) => one.pause_());
        forget();
      }
      look();
    },
    identify: (now) => {
      identity = now;
      look();
    },
    reset: () => {
      identity = {};
      finder.forget();
      forget();
      look();
    },
    email: (address) => allowed((one) => one.more_((more, connection) => more.email(connection, address))),
    receipt: (offer, what) => allowed((one) => one.more_((more, connection) => more.receipt(connection, offer, what))),
    state,
    connect: (options: Options) => {
      if (connectors.some((one) => one.id_ == options.hullId)) return;
      if (options.consent == "wait") consented ??= false;
      hidden = +(options.hidden ?? hidden);
      const first = document.querySelector<HTMLElement>("script[data-hull-id]")?.dataset.hullId ?? options.hullId; // scripts come in any order
      connectors[options.hullId == first ? "unshift" : "push"](connect(options, options.hullId == first, () => identity ?? options, finder.found, present));
      present();
      look();
      setTimeout(() => {
        waiting = false;
        present();
      }, +(options.wait ?? standardWait) - performance.now());
    },
  };
  return api;
};

/** The script tag that this is the file of; in a module or a callback there is none. */
const ownTag = document.currentScript instanceof HTMLScriptElement ? document.currentScript : undefined;

const optionsOf = (tag: HTMLScriptElement): Options => {
  if (!tag.src) return tag.dataset; // of an inlined script
  const address = new URL(tag.src);
  return { hullEndpoint: address.origin, ...Object.fromEntries(address.searchParams), ...tag.dataset };
};

attempt(() => {
  const there = window.hullBrowser as (HullBrowser & Stub) | undefined; // or an element of that id
  const early = there?.q;
  const api = there?.connect ? there : (window.hullBrowser = begin());
  const replay = (names: RegExp) => early?.forEach(([name, values]) => names.test(name) && attempt(() => (api[name] as (...values: never[]) => void)(...values)));
  replay(/./);

  const add = (options: Options) => {
    if (options.hullId && options.hullEndpoint) api.connect(options as { hullId: string; hullEndpoint: string });
    else console.warn("hullbeam: data-hull-id or data-hull-endpoint is missing");
  };
  const tags = ownTag ? [ownTag] : [...document.querySelectorAll<HTMLScriptElement>("script[data-hull-id]")];
  const [first, ...more] = tags.map(optionsOf);
  if (!first?.hullId && window.Hull?.onEmbed) window.Hull.onEmbed((_, { ship }) => attempt(() => add({ hullId: ship.id, hullEndpoint: ship.source_url })));
  else [first ?? {}, ...more].forEach(add);
  replay(/^(email|receipt)/); // which are connectors'
});
