// Offers: a page hears of each once.

import { attempt, debug } from "./page";
import type { Banner, Connection } from "./parts";
import { receipt } from "./visitor";
import type { Offer } from "./types";

declare const BANNER: string; // the file's name, with its hash: ci/snippet.sh

const bound = 50; // of ids that are kept, the newest

const prefix = "hull_browser_offers:";

/**
 * Ids that a connector's page has heard of, or the one before it in this tab: by the name
 * that they are kept under. They are read at once: a frame of the page writes there too.
 */
const known: { [name: string]: string[] } = {};
attempt(() => {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith(prefix)) known[name] = [...(JSON.parse(sessionStorage[name]) as string[])];
});

let banner: Promise<Banner> | undefined; // one: offers are shown in their order

/** An offer may come twice, and on the next page of the tab again. Each tab hears of it: which of them is looked at may change. */
export const offer = (connection: Connection, offer: Offer, heard: () => void): void => {
  const { id, endpoint, options, tab } = connection;
  const name = prefix + id;
  const before = known[name] ?? [];
  if (before.includes(offer.id) || (offer.tabs[0] && !offer.tabs.includes(tab))) return;
  known[name] = [...before, offer.id].slice(-bound);
  attempt(() => (sessionStorage[name] = JSON.stringify(known[name])));
  heard();
  if (options.offers == "banner") {
    banner ??= import(endpoint + "/ship/" + BANNER);
    banner.then((it) => it.show(offer, (what) => receipt(connection, offer.id, what))).catch(debug);
  }
};
