// Where the operator is: #/connector/ID/PAGE/WHAT. The server has one page for all.

import { useEffect, useState } from "preact/hooks";

export type Route = {
  /** The parts of the path, decoded. */
  parts: string[];
  /** What follows its "?". */
  query: URLSearchParams;
};

export function parse(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { parts: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

/** Decodes a part of an address, or leaves it as it is. */
export function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a page, for a link. */
export const href = (...parts: string[]) => "#/" + parts.map(encodeURIComponent).join("/");

/** The address of a connector's page. */
export const at = (connector: string, ...parts: string[]) => href("connector", connector, ...parts);

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
