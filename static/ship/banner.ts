// Offers as a banner, one at a time, in the tab that is looked at.

import { attempt, keep, kept } from "./page";
import type { Banner } from "./parts";
import type { Offer, Receipt, Trait } from "./types";

type Entry = [offer: Offer, receipt: (what: Receipt) => void];

/** Offers that wait for their turn. */
const queue: Entry[] = [];
let busy = false;

export const show: Banner["show"] = (offer, receipt) => {
  queue.push([offer, receipt]);
  next();
};

/** Shows the next offer, if there is nothing to be seen and somebody to see it. */
const next = () => {
  const entry = queue[0];
  if (busy || document.hidden || !entry) return;
  busy = true;
  queue.shift();
  claim(entry[0], () => display(...entry));
};
document.addEventListener("visibilitychange", next);
document.addEventListener("hull:user.private", () => queue.splice(0)); // they were for somebody who is not there any more

const done = () => {
  busy = false;
  next();
};

/** How long tabs that take an offer at the same time wait to see whose it is, in milliseconds. */
const claimWait = 200;

/**
 * Lets one of the browser's tabs show an offer, once: the last that has put its mark on
 * it before anybody showed it. Where nothing can be kept each tab does.
 */
const claim = ({ connector, id, expires_at }: Offer, won: () => void) => {
  const prefix = "hull_browser_offer:";
  const key = prefix + connector + ":" + id;
  const mine = expires_at + Math.random();
  attempt(() => {
    for (const old of Object.keys(localStorage)) if (old.startsWith(prefix) && kept(old)! < new Date().toISOString()) keep(old, "");
  });
  if (kept(key)) return done();
  keep(key, mine);
  setTimeout(() => ((kept(key) || mine) == mine ? won : done)(), claimWait);
};

/**
 * A sheet of its own and system colours: a strict Content-Security-Policy, dark pages and
 * forced colours get on with it. Nothing moves.
 */
const css =
  "aside{all:initial;color-scheme:light dark;position:fixed;inset:auto 16px 16px;z-index:2147483647;box-sizing:border-box;max-width:420px;max-height:90vh;overflow:auto;margin-inline-start:auto;padding-inline-start:16px;display:flex;background:Canvas;color:CanvasText;border:1px solid GrayText;border-radius:8px;font:medium/1.5 system-ui,sans-serif;overflow-wrap:anywhere}" +
  "div{flex:1;margin:10px 0}" +
  "b,a{display:block}" +
  "a{color:LinkText;width:fit-content;margin-top:8px;outline-offset:2px}" +
  "button{all:unset;width:44px;height:44px;text-align:center;font-size:24px;cursor:pointer;outline-offset:-2px}" +
  ":focus-visible{outline:2px solid CanvasText}" +
  "@media print{aside{display:none}}";

const make = <Name extends keyof HTMLElementTagNameMap>(name: Name, properties: Partial<HTMLElementTagNameMap[Name]>) =>
  Object.assign(document.createElement(name), properties);

const display = ({ data, expires_at }: Offer, receipt: (what: Receipt) => void) => {
  const said = (typeof data == "string" ? { text: data } : data) as { [name: string]: Trait } | null;
  const text = (name: string) => (typeof said?.[name] == "string" ? (said[name] as string) : "");
  const left = Date.parse(expires_at) - Date.now();
  if (!text("text") || !(left > 0)) return done();

  let seen = false;
  const see = () => {
    if (!seen) receipt("seen");
    seen = true;
  };
  let before: HTMLElement | null; // what had the focus
  const end = (what?: Receipt) => {
    if (!host.isConnected) return;
    if (what) {
      see(); // it was, though nobody has said so yet
      receipt(what);
    }
    const focused = document.activeElement == host;
    host.remove();
    if (focused) before?.focus();
    done();
  };

  const host = document.createElement("hull-offer");
  host.onkeydown = (event) => event.key == "Escape" && end("dismissed");
  host.addEventListener("focusin", (event) => {
    before = event.relatedTarget as HTMLElement | null;
  });
  const root = host.attachShadow({ mode: "open" });
  attempt(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  });
  const aside = make("aside", { ariaLabel: text("title") || text("text") });
  const content = make("div", { dir: "auto" });
  const status = make("span", { role: "status" });
  const link = make("a", { href: text("url"), textContent: text("label") || text("url"), onclick: () => end("clicked") });
  root.append(aside);
  aside.append(content, make("button", { textContent: "×", ariaLabel: text("close") || "Close", onclick: () => end("dismissed") }));
  content.append(status);
  if (text("url") && /^http/.test(link.protocol)) content.append(link);
  document.body.append(host);

  // Screen readers tell what is put into a status, not what it comes with.
  setTimeout(() => status.append(make("b", { textContent: text("title") }), text("text")));
  new IntersectionObserver(([entry], observer) => {
    if (!entry!.isIntersecting) return;
    observer.disconnect();
    see();
  }).observe(aside);
  setTimeout(end, Math.min(left, 2 ** 31 - 1)); // no timer is longer
  document.addEventListener("hull:user.private", () => end());
};
