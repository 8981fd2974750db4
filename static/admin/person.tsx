// A person: who they are, what they have looked at and when, and forgetting them.

import { useEffect, useState } from "preact/hooks";
import { call, get, of } from "./api";
import { Bars, Days } from "./charts";
import { useLive } from "./live";
import { useAction, useList, useLoad } from "./load";
import { OfferDialog } from "./offer";
import { Address, Busy, Confirm, Empty, More, Problem, Segments, Text, Time, Who, nameOf, short } from "./parts";
import { at, href } from "./route";
import { Changes } from "./scope";
import { Timeline } from "./timeline";
import type { PageView, Summary, Visitor } from "./types";

export function Person({ connector, visitor: id }: { connector: string; visitor: string }) {
  const path = of(connector, "visitors", id);
  const live = useLive(connector).rows.get(id);
  const known = useLoad(path, (signal) => get<Visitor>(path, signal));
  const [dialog, setDialog] = useState<"offer" | "erase">();
  if (!known.data)
    return (
      <>
        <div class="title">
          <h1 tabIndex={-1}>A visitor</h1>
        </div>
        <Problem error={known.error} retry={known.reload} />
        {known.busy && <Busy what="the visitor" />}
      </>
    );
  const visitor = { ...known.data, ...(live && !live.left ? live.visitor : { live: known.data.live && !live?.left }), visitors: known.data.visitors ?? [] };
  const close = () => setDialog(undefined);
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>
          <Who visitor={visitor} />
        </h1>
        <p class={"state " + (visitor.live ? "open" : "")}>{visitor.live ? "live" : <>last seen <Time at={visitor.last_seen} /></>}</p>
        <Changes>
          <button type="button" class="main" onClick={() => setDialog("offer")}>
            Send an offer
          </button>
        </Changes>
      </div>
      <Facts connector={connector} visitor={visitor} erase={() => setDialog("erase")} />
      <History path={path} views={visitor.views} />
      {dialog === "offer" && <OfferDialog connector={connector} to={{ visitor: id }} close={close} />}
      {dialog === "erase" && <Erase connector={connector} visitor={visitor} close={close} />}
    </>
  );
}

function Facts({ connector, visitor, erase }: { connector: string; visitor: Visitor; erase: () => void }) {
  const { user, stated_email: stated, page } = visitor;
  return (
    <section class="panel">
      <h2 class="hidden">What is known</h2>
      <dl class="facts">
        {page && (
          <div>
            <dt>{visitor.live ? "Looks at" : "Looked at"}</dt>
            <dd>
              {page.title && (
                <>
                  <Text of={page.title} /> ·{" "}
                </>
              )}
              <Address url={page.url} />
            </dd>
          </div>
        )}
        {user?.email && (
          <div>
            <dt>Email</dt>
            <dd>
              <Text of={user.email} />
            </dd>
          </div>
        )}
        {stated && (
          <div>
            <dt>Email they typed</dt>
            <dd>
              <Text of={stated.email} /> <span class="tag unverified">unverified</span> <Time at={stated.at} />
            </dd>
          </div>
        )}
        {user && (
          <div>
            <dt>User</dt>
            <dd>
              <code>{user.id}</code> <a href={at(connector, "explain", "id:" + user.id)}>Explain what they get</a>
            </dd>
          </div>
        )}
        <div>
          <dt>Segments</dt>
          <dd>{visitor.segments.length ? <Segments names={visitor.segments} /> : "none"}</dd>
        </div>
        <div>
          <dt>First seen</dt>
          <dd>
            <Time at={visitor.first_seen} />
          </dd>
        </div>
        <div>
          <dt>Visitor</dt>
          <dd>
            <code>{visitor.visitor}</code>
            {visitor.visitors?.map((other) => (
              <>
                , <a href={at(connector, "visitors", other)}>{other}</a>
              </>
            ))}
          </dd>
        </div>
      </dl>
      <Changes>
        <p class="actions">
          <button type="button" class="danger" onClick={erase}>
            Erase…
          </button>
        </p>
      </Changes>
    </section>
  );
}

function History({ path, views }: { path: string; views: number }) {
  const summary = useLoad(path + "/pages/summary", (signal) => get<Summary>(path + "/pages/summary", signal));
  const pages = useList<PageView>(path + "/pages?limit=100");
  const [shown] = useState({ views });
  useEffect(() => {
    if (views === shown.views) return;
    shown.views = views;
    summary.reload();
    pages.reload();
  }, [views]);
  if (summary.data && !summary.data.views && !pages.items.length && !pages.busy)
    return (
      <Empty title="No page views are kept">
        <p>Pages tell of views when the snippet has <code>data-track</code>. Those that are too old are forgotten.</p>
      </Empty>
    );
  return (
    <>
      <Problem error={summary.error} retry={summary.reload} />
      {summary.data && summary.data.views > 0 && <Charts summary={summary.data} />}
      <section>
        <h2>Timeline</h2>
        <Problem error={pages.error} retry={pages.reload} />
        {pages.busy && !pages.items.length && <Busy what="the page views" />}
        <Timeline views={pages.items} />
        <More {...pages} />
      </section>
    </>
  );
}

const topPages = 10;

function Charts({ summary }: { summary: Summary }) {
  const top = summary.pages.slice(0, topPages);
  return (
    <div class="charts">
      <section class="panel">
        <h2>Pages</h2>
        <p class="quiet">
          {summary.views.toLocaleString()} {summary.views === 1 ? "view" : "views"} in {summary.sessions.toLocaleString()} {summary.sessions === 1 ? "session" : "sessions"}
        </p>
        <Bars label="Views by page" rows={top.map(({ url, title, views }) => [title || short(url), views])} />
        <details>
          <summary>As a list</summary>
          <ul class="plain">
            {summary.pages.map(({ url, title, views, last }) => (
              <li key={url}>
                <b>{views.toLocaleString()}</b> <Address url={url}>{title ? <Text of={title} /> : <bdi dir="ltr">{short(url)}</bdi>}</Address>{" "}
                <small>
                  last <Time at={last} />
                </small>
              </li>
            ))}
          </ul>
        </details>
      </section>
      <section class="panel">
        <h2>Views per day</h2>
        <p class="quiet">Days in UTC</p>
        <Days label="Views per day" days={summary.days} />
        <details>
          <summary>As a list</summary>
          <ul class="plain">
            {summary.days.map(({ day, views }) => (
              <li key={day}>
                {day}: <b>{views.toLocaleString()}</b>
              </li>
            ))}
          </ul>
        </details>
      </section>
    </div>
  );
}

function Erase({ connector, visitor, close }: { connector: string; visitor: Visitor; close: () => void }) {
  const { user } = visitor;
  const action = useAction(async () => {
    await call("DELETE", user ? of(connector, "users", "id:" + user.id) : of(connector, "visitors", visitor.visitor));
    location.hash = href("connector", connector, "visitors");
  });
  return (
    <Confirm title={user ? "Erase this user" : "Erase this visitor"} word={user?.email ?? user?.id ?? visitor.visitor} action="Erase" close={close} {...action} error={action.error}>
      <p>
        {user ? (
          <>
            What is cached of <Text of={nameOf(user)} />, and the history of all their browsers, is deleted.
          </>
        ) : (
          "The history of this browser is deleted."
        )}{" "}
        Their pages are told. For 30 days nothing older brings them back. This cannot be undone.
      </p>
    </Confirm>
  );
}
