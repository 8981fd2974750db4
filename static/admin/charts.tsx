// Charts, drawn by uPlot in the page's colours.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

const dark = matchMedia("(prefers-color-scheme: dark)");

type Make = (width: number, colour: (name: string) => string) => uPlot;

/** Draws a chart as wide as its place, anew when that or the colours change. */
function Chart({ label, height, make }: { label: string; height: number; make: Make }) {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [scheme, setScheme] = useState(dark.matches);
  useEffect(() => {
    const sized = new ResizeObserver((entries) => setWidth(Math.floor(entries[0]?.contentRect.width ?? 0)));
    const coloured = () => setScheme(dark.matches);
    if (place.current) sized.observe(place.current);
    dark.addEventListener("change", coloured);
    return () => {
      sized.disconnect();
      dark.removeEventListener("change", coloured);
    };
  }, []);
  useEffect(() => {
    if (!width || !place.current) return;
    const chart = make(width, (name) => resolve(place.current!, name));
    place.current.append(chart.root);
    return () => chart.destroy();
  }, [width, scheme, make]);
  return <div ref={place} class="chart" role="img" aria-label={label} style={{ minHeight: height + "px" }} />;
}

/** A colour of admin.css as a canvas understands it. */
function resolve(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const font = "12px system-ui, sans-serif";
const whole = (_: uPlot, marks: number[]) => marks.map((n) => n.toLocaleString());

/** Steps of an axis that counts: there is nothing between 0 and 1. */
const steps = [...Array(10).keys()].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));

/** Bars that lie, each with its name: the distribution of something. */
export function Bars({ label, rows }: { label: string; rows: [name: string, count: number][] }) {
  const text = JSON.stringify(rows);
  const height = 34 + rows.length * 30;
  const make = useRef<{ text: string; make: Make } | undefined>(undefined);
  if (make.current?.text !== text) make.current = { text, make: (width, colour) => lying(width, height, rows, colour) };
  return <Chart label={label + ": " + rows.map(([name, n]) => `${name} ${n}`).join(", ")} height={height} make={make.current.make} />;
}

function lying(width: number, height: number, rows: [string, number][], colour: (name: string) => string): uPlot {
  const names = Math.min(220, Math.floor(width * 0.42));
  const most = Math.max(1, ...rows.map(([, n]) => n));
  return new uPlot(
    {
      width,
      height,
      legend: { show: false },
      cursor: { show: false },
      padding: [0, 16, 0, 0],
      scales: {
        x: { time: false, ori: 1, dir: -1, range: [-0.5, rows.length - 0.5] },
        y: { ori: 0, dir: 1, range: [0, most * 1.05] },
      },
      axes: [
        {
          side: 3,
          size: names,
          font,
          stroke: colour("text"),
          grid: { show: false },
          ticks: { show: false },
          splits: () => rows.map((_, i) => i),
          values: () => rows.map(([name]) => fit(name, Math.floor(names / 6.6))),
        },
        { side: 2, font, stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, values: whole, incrs: steps, space: 48, size: 28 },
      ],
      series: [{}, { fill: colour("accent"), ...(uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.7, 24] }) } : {}), points: { show: false } }],
    },
    [rows.map((_, i) => i), rows.map(([, n]) => n)],
  );
}

/** A name that is too long loses its middle: both ends tell pages apart. */
const fit = (name: string, length: number) => (name.length <= length ? name : name.slice(0, Math.ceil(length / 2) - 1) + "…" + name.slice(1 - Math.floor(length / 2)));

type Day = { day: string; views: number };

/** Bars per day, of days in UTC. Days between them that are not named have none. */
export function Days({ label, days: told }: { label: string; days: Day[] }) {
  const days = complete(told);
  const text = JSON.stringify(days);
  const height = 200;
  const make = useRef<{ text: string; make: Make } | undefined>(undefined);
  if (make.current?.text !== text) make.current = { text, make: (width, colour) => standing(width, height, days, colour) };
  return <Chart label={label + ": " + told.map(({ day, views }) => `${day} ${views}`).join(", ")} height={height} make={make.current.make} />;
}

const aDay = 86_400;

/** Days with those between them, which have no views. */
function complete(days: Day[]): Day[] {
  const views = new Map(days.map((day) => [day.day, day.views]));
  const [first, last] = [days[0], days.at(-1)];
  if (!first || !last) return [];
  const count = Math.min(366, (seconds(last.day) - seconds(first.day)) / aDay + 1);
  return Array.from({ length: count }, (_, i) => new Date((seconds(last.day) - (count - 1 - i) * aDay) * 1000).toISOString().slice(0, 10)).map((day) => ({ day, views: views.get(day) ?? 0 }));
}

function standing(width: number, height: number, days: Day[], colour: (name: string) => string): uPlot {
  const [first, last] = [seconds(days[0]?.day), seconds(days.at(-1)?.day)];
  const span = Math.max(last - first, 6 * aDay); // one day alone is no wider than one of a week
  const axis = { font, stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  return new uPlot(
    {
      width,
      height,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 16, 0, 0],
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      scales: { x: { time: true, range: [last - span - aDay / 2, last + aDay / 2] }, y: { range: [0, Math.max(1, ...days.map(({ views }) => views)) * 1.1] } },
      axes: [{ ...axis, grid: { show: false }, values: (_, marks) => marks.map(dayName), incrs: [1, 2, 7, 14, 28].map((n) => n * aDay), space: 56, size: 28 }, { ...axis, values: whole, incrs: steps, size: 44 }],
      series: [{}, { fill: colour("accent"), ...(uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.8, 40] }) } : {}), points: { show: false } }],
    },
    [days.map(({ day }) => seconds(day)), days.map(({ views }) => views)],
  );
}

const seconds = (day: string | undefined) => Date.parse((day ?? "1970-01-01") + "T00:00:00Z") / 1000;
const short = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
const dayName = (at: number) => short.format(at * 1000);
