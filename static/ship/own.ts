// An anonymous id of Hullbeam's own, where the operator asks for it (data-own-id).

import { keep, kept } from "./page";
import { optsOut } from "./privacy";

const name = "hull_browser_id";

/** Who has it is this visitor, so nobody can guess it: 128 bits. The same on each page, where there is storage. Undefined: the visitor opts out. */
export const ownId = (): string | undefined => {
  const id = kept(name) || Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (optsOut()) return;
  keep(name, id);
  return id;
};
