// Page views, grouped by day and session, the latest first, with both clocks.

import { Address, Text, Time, short } from "./parts";
import { clockOf, dayOf, duration, localClock, zone } from "./time";
import type { PageView } from "./types";

type Group = { key: string; views: PageView[] };

/** Groups what follows each other and has the same key. */
function grouped(views: PageView[], keyOf: (view: PageView) => string): Group[] {
  const groups: Group[] = [];
  for (const view of views) {
    const key = keyOf(view);
    const last = groups.at(-1);
    if (last?.key === key) last.views.push(view);
    else groups.push({ key, views: [view] });
  }
  return groups;
}

export const Timeline = ({ views }: { views: PageView[] }) => (
  <div class="timeline">
    {grouped(views, ({ at }) => dayOf(at)).map((day) => (
      <section key={day.key + day.views[0]?.view}>
        <h3>{day.key}</h3>
        {grouped(day.views, ({ session }) => session).map(({ views }) => (
          <Session key={views[0]?.view} views={views} />
        ))}
      </section>
    ))}
  </div>
);

function Session({ views }: { views: PageView[] }) {
  const [last, first] = [views[0], views.at(-1)];
  if (!last || !first) return null;
  return (
    <section class="session panel">
      <h4>
        Session from <Time at={first.at} as={clockOf} />
        <small>
          {" "}
          {views.length === 1 ? "one page" : `${views.length} pages in ${duration(Date.parse(last.at) - Date.parse(first.at))}`}
        </small>
      </h4>
      <ol>
        {views.map((view) => (
          <li key={view.view}>
            <span class="clocks">
              <Time at={view.at} as={clockOf} />
              {view.local_time && <small title={`By the visitor's clock. The time above is the server's, in ${zone}.`}>there {localClock(view.local_time, view.at)}</small>}
            </span>
            <span class="what">
              {view.title && (
                <b>
                  <Text of={view.title} />
                </b>
              )}
              <Address url={view.url}>
                <bdi dir="ltr">{short(view.url)}</bdi>
              </Address>
              {view.referrer && (
                <small>
                  from{" "}
                  <Address url={view.referrer}>
                    <bdi dir="ltr">{short(view.referrer)}</bdi>
                  </Address>
                </small>
              )}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
