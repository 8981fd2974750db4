// Events: to the listeners of window.hullBrowser, to the document as hull:… and to Hull.js
// when it is in the page and can emit.

import { attempt, call } from "./page";
import type { Events } from "./types";

type Listener = (argument: never) => void;

let entries: [pattern: string, names: RegExp, listener: Listener, once: boolean][] = [];

/** Has a listener called at each event whose name is a pattern's: `*` is one part of it, `**` any. */
export const listen = (pattern: string, listener: Listener, once: boolean): void =>
  void attempt(() => entries.push([pattern, RegExp("^" + pattern.replace(/\*+/g, (stars) => (stars[1] ? ".*" : "[^.]+")) + "$"), listener, once]));

export const unlisten = (pattern: string, listener: Listener): void => {
  entries = entries.filter((entry) => entry[0] != pattern || entry[2] != listener);
};

export const emit = <Name extends keyof Events>(name: Name, argument: Events[Name]): void => {
  for (const [pattern, names, listener, once] of [...entries]) {
    if (!names.test(name)) continue;
    if (once) unlisten(pattern, listener);
    call(listener as (argument: Events[Name]) => void, argument);
  }
  document.dispatchEvent(new CustomEvent("hull:" + name, { detail: argument }));
  attempt(() => window.Hull!.emit!(name, argument));
};
