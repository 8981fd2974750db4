// Applications change the page's address without loading a page.

import { call } from "./page";

const listeners: (() => void)[] = [];

/** Calls `listener` when an application has changed the page's address. */
export const onRoute = (listener: () => void): void => {
  if (listeners.push(listener) > 1) return;
  const routed = () => listeners.forEach((each) => call(each));
  for (const name of ["pushState", "replaceState"] as const) {
    const original = history[name];
    history[name] = function (...values) {
      original.apply(this, values);
      routed();
    };
  }
  addEventListener("popstate", routed);
};
