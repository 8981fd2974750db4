// Everyone of whom a history is kept, the last seen first, whether they are there or not.

import { useEffect, useState } from "preact/hooks";
import { of } from "./api";
import { useList } from "./load";
import { Address, Busy, Empty, More, Problem, Segments, Text, Time, Who, short } from "./parts";
import { at } from "./route";
import type { Visitor } from "./types";

export function People({ connector }: { connector: string }) {
  const [typed, setTyped] = useState("");
  const [q, setQ] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setQ(typed.trim()), 250); // until one has typed
    return () => clearTimeout(timer);
  }, [typed]);
  const people = useList<Visitor>(of(connector, "visitors") + (q && "?q=" + encodeURIComponent(q)));
  return (
    <>
      <h1 tabIndex={-1}>People</h1>
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          <span>Search</span>
          <input type="search" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} placeholder="Name, email, page" />
        </label>
      </form>
      <Problem error={people.error} retry={people.reload} />
      {!people.items.length &&
        (people.busy ? (
          <Busy what="the visitors" />
        ) : (
          !people.error && (
            <Empty title={q ? "Nobody matches" : "Nobody was there yet"}>
              <p>{q ? "Change the search." : <>Who opens a page with the snippet is kept here, for as long as history is. <a href={at(connector, "visitors")}>Live visitors</a> has the snippet.</>}</p>
            </Empty>
          )
        ))}
      <ul class="people">
        {people.items.map((visitor) => (
          <li key={visitor.visitor}>
            <Who visitor={visitor} href={at(connector, "visitors", visitor.visitor)} />
            <span class="page">
              {visitor.page && (
                <>
                  {visitor.page.title && <Text of={visitor.page.title} />}
                  <small>
                    <Address url={visitor.page.url}>
                      <bdi dir="ltr">{short(visitor.page.url)}</bdi>
                    </Address>
                  </small>
                </>
              )}
            </span>
            <Segments names={visitor.segments} />
            <span>
              {visitor.live ? <span class="state open">live</span> : <Time at={visitor.last_seen} />}
              <small>
                {visitor.views.toLocaleString()} {visitor.views === 1 ? "view" : "views"}
              </small>
            </span>
          </li>
        ))}
      </ul>
      <More {...people} />
    </>
  );
}
