// The operator's script (docs/protocol.md): a file of Hullbeam's that puts a function into
// window.hullBrowserScripts.

import { call, debug } from "./page";
import type { Connection } from "./parts";
import type { Update } from "./types";

type Script = (...values: unknown[]) => void;

declare global {
  interface Window {
    hullBrowserScripts?: { [name: string]: Script };
    trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string } };
  }
}

/** The files that were asked for: each is once. */
const files: { [url: string]: Promise<unknown> } = {};

const fetchScript = (url: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.onload = resolve;
    element.onerror = reject;
    element.src = trusted(url);
    document.head.append(element);
  });

let policy: { createScriptURL(url: string): string } | undefined;

/** A page may demand that addresses of scripts come from a policy (Trusted Types): this one is for the endpoint's alone. */
const trusted = (url: string): string =>
  (policy ??= window.trustedTypes?.createPolicy("hullbeam", { createScriptURL: (address) => address }))?.createScriptURL(url) ?? url;

/** Runs a connector's script with an update, after those before it. `path` is the payload's script_url. */
export const run = ({ endpoint, state }: Connection, path: string, update: Update): void => {
  const { user, segments, account, account_segments, events, changes, connector } = update;
  const url = endpoint + path;
  (files[url] ??= fetchScript(url)).then(
    () => {
      if (state()?.user.id != user.id) return; // they have left meanwhile
      const script = window.hullBrowserScripts?.[connector + "/" + path.split(".").reverse()[1]];
      if (script) call(script, user, segments, account, account_segments, events, changes);
    },
    (error) => debug("the script did not load", url, error),
  );
};
