// Times in words: in the operator's zone, and as the visitor's clock had them.

const day = new Intl.DateTimeFormat(undefined, { weekday: "short", year: "numeric", month: "short", day: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const both = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The zone in which times are shown, such as Europe/Berlin. */
export const zone = both.resolvedOptions().timeZone;

const format = (how: Intl.DateTimeFormat) => (at: string) => (Number.isNaN(Date.parse(at)) ? at : how.format(new Date(at)));
export const dayOf = format(day);
export const clockOf = format(clock);
export const whole = format(both);

/** What the visitor's clock showed: "10:00:05 (UTC+02:00)", and the day if it was another than the operator's. */
export function localClock(local: string, at: string): string {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?[\d.]*(Z|[+-]\d\d:\d\d)$/.exec(local);
  if (!parts) return "";
  const [, date = "", minutes = "", seconds = "", offset = ""] = parts;
  const here = new Date(at);
  const same = date === `${here.getFullYear()}-${two(here.getMonth() + 1)}-${two(here.getDate())}`;
  return `${same ? "" : date + " "}${minutes}${seconds} (UTC${offset === "Z" ? "" : offset})`;
}

const two = (n: number) => String(n).padStart(2, "0");

/** How long something lasts: 5 s, 3:07, 1:02:03, or days. */
export function duration(milliseconds: number): string {
  const s = Math.max(0, Math.floor(milliseconds / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  if (s < 86400) return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  const days = Math.floor(s / 86400);
  return days === 1 ? "1 day" : `${days} days`;
}
