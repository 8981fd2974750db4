// What the operator says of a connector, in the attributes of its script tag or in the
// query of its address (docs/personalization.md).

import type { Identity } from "./types";

/**
 * The attributes of a script tag, without their data-, in camel case: texts, as they stand
 * there. Who the visitor is, as far as the site knows when it renders the page, has the
 * names of claims: data-external_id, data-identity_token.
 */
export interface Options extends Identity {
  hullId?: string;
  hullEndpoint?: string;
  /** wait: store and send nothing before hullBrowser.consent(true). */
  consent?: string;
  /** Milliseconds that marked elements wait for the first state; 300. */
  wait?: string;
  /** Present: a visitor of whom the page shows no identifier is given an anonymous id. */
  ownId?: string;
  /** off: one event stream for each tab, not for each browser. */
  share?: string;
  /** Seconds that a hidden page keeps its stream; 300. */
  hidden?: string;
  /** Present: page views are reported. */
  track?: string;
  /** banner: offers are shown by the snippet. */
  offers?: string;
  /** Where changes of segments and public events are pushed to: datalayer, gtag, ga. */
  destinations?: string;
}
