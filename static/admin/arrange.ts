// Which visitors a table shows, and in which order.

import type { Row } from "./live";
import type { Visitor } from "./types";

export type Filter = { q: string; segment: string; page: string };

/** Tells of a row whether a filter lets it through. */
export function matcher({ q, segment, page }: Filter): (row: Row) => boolean {
  const words = q.toLowerCase().trim();
  const onPage = page.trim() ? pageMatcher(page.trim()) : undefined;
  return ({ visitor, text }) =>
    (!words || text.includes(words)) && (!segment || visitor.segments.includes(segment)) && (!onPage || urls(visitor).some(onPage));
}

const urls = ({ page, tabs }: Visitor) => (tabs.length ? tabs.map((tab) => tab.url) : page ? [page.url] : []);

/** A glob of pages: * within a segment of the path, ** anything. One that begins with / is of the path. */
export function pageMatcher(glob: string): (url: string) => boolean {
  const source = glob.split("**").map((part) => part.split("*").map(escape).join("[^/]*")).join(".*");
  const pattern = new RegExp("^" + source + "$", "s");
  return (url) => pattern.test(glob.startsWith("/") ? pathOf(url) : url);
}

const escape = (text: string) => text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&");

function pathOf(url: string): string {
  try {
    return new URL(url).pathname;
  } catch {
    return url;
  }
}

export type Arranged = { order: string[]; waiting: number };

/**
 * The order of the visitors that match: the latest to come first, and nobody changes place.
 * While it is held, because somebody reads, it stays as it was, and those who would be
 * added are counted.
 */
export function arrange(before: string[], rows: Map<string, Row>, match: (row: Row) => boolean, held: boolean): Arranged {
  const known = new Set(before);
  const news: Row[] = [];
  for (const [id, row] of rows) if (!row.left && !known.has(id) && match(row)) news.push(row);
  if (held) return { order: before, waiting: news.length };
  news.sort((a, b) => (b.visitor.since ?? "").localeCompare(a.visitor.since ?? ""));
  const stay = before.filter((id) => {
    const row = rows.get(id);
    return row && !row.left && match(row);
  });
  return { order: [...news.map((row) => row.visitor.visitor), ...stay], waiting: 0 };
}
