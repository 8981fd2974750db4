// Other libraries in the page that are told of changes of segments and of public events.
// They are told names, and nothing of the user: what they are told leaves the site.

import { attempt } from "./page";
import type { More } from "./parts";
import { optsOut } from "./privacy";
import type { Events } from "./types";

interface Globals {
  dataLayer?: object[];
  ga?: (...words: unknown[]) => void;
  gtag?: (command: "event", name: string, parameters: object) => void;
}

/** What is told of an event of the page: what happened, and names. The state that was kept of the last page tells nothing. */
const told = (name: string, argument: Events[keyof Events]): [what: string, names: string[]] => {
  if ("segment" in argument) return [name, [argument.segment]];
  return ["event", "changes" in argument && argument.changes ? argument.events : []];
};

export const push: More["push"] = (to, name, argument) => {
  if (optsOut()) return;
  const [what, names] = told(name, argument);
  const page = window as unknown as Globals;
  const tell: { [destination: string]: (name: string, variable: object) => void } = {
    datalayer: (_name, variable) => (page.dataLayer ||= []).push({ event: "hull." + what, ...variable }),
    gtag: (_name, variable) => page.gtag!("event", "hull_" + what.replace(".", "_"), variable),
    ga: (name) => page.ga!("send", "event", "hull", what, name, { nonInteraction: true }),
  };
  for (const destination of to.toLowerCase().split(/[\s,]+/)) {
    for (const each of names) attempt(() => tell[destination]!(each, { ["hull_" + what.split(".")[0]]: each }));
  }
};
