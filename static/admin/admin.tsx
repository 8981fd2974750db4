// The admin pages: who has signed in, and which page is shown.

import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Refused, call, get, onSignedOut } from "./api";
import { AuditLog } from "./audit";
import { Connectors } from "./connectors";
import { Explain } from "./explain";
import { Inspector } from "./inspector";
import { forget } from "./live";
import { Offers } from "./offers";
import { Empty, Problem } from "./parts";
import { People } from "./people";
import { Person } from "./person";
import { type Route, at, useRoute } from "./route";
import { Scope } from "./scope";
import { Settings } from "./settings";
import { SignIn, signIn, takeCode } from "./signin";
import type { Session } from "./types";
import { Visitors } from "./visitors";

const pages = [
  ["visitors", "Live"],
  ["people", "People"],
  ["offers", "Offers"],
  ["explain", "Explain"],
  ["events", "Events"],
  ["audit", "Audit"],
  ["settings", "Settings"],
] as const;

const code = takeCode();

/** undefined: it is not known yet; null: nobody has signed in. */
type State = { session: Session | null | undefined; error?: Error };

function Admin() {
  const [{ session, error }, setState] = useState<State>({ session: undefined });
  const begin = () => {
    setState({ session: undefined });
    // A code in a link, which anybody may have sent, does not take the place of who is signed in.
    get<Session>("/session").catch((err: Error) => (code ? signIn({ code }) : Promise.reject(err))).then(
      (session) => setState({ session }),
      (err: Error) => setState(!code && err instanceof Refused && err.status === 401 ? { session: null } : { session: null, error: err }),
    );
  };
  useEffect(() => {
    onSignedOut(() => {
      forget();
      setState({ session: null, error: new Refused(401, "Your session is over", "Sign in again to go on where you were.") });
    });
    begin();
  }, []);
  if (session === undefined) return null;
  if (!session) return <SignIn error={error} done={(session) => setState({ session })} />;
  const signOut = async () => {
    await call("DELETE", "/session");
    forget();
    location.hash = "";
    setState({ session: null });
  };
  return <Shell session={session} signOut={signOut} />;
}

function Shell({ session, signOut }: { session: Session; signOut: () => Promise<void> }) {
  const route = useRoute();
  const [error, setError] = useState<Error>();
  const [first, connector, page = "visitors"] = route.parts;
  const ofConnector = first === "connector" && connector ? connector : "";
  useTitle(route);
  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          <img src="logo.svg" alt="" width="28" height="28" /> Hullbeam
        </a>
        {ofConnector && <span class="connector">{ofConnector}</span>}
        <span class="operator">
          <span class="quiet">
            {session.operator}
            {session.scope === "read" && ", reads only"}
          </span>
          <button type="button" title={"Signed in as " + session.operator} onClick={() => void signOut().catch((err: Error) => setError(err))}>
            Sign out
          </button>
        </span>
        {ofConnector && (
          <nav aria-label="Connector">
            {pages.map(([name, label]) => (
              <a key={name} href={at(ofConnector, name)} aria-current={page === name ? "page" : undefined}>
                {label}
              </a>
            ))}
          </nav>
        )}
      </header>
      <main id="main" tabIndex={-1}>
        <Problem error={error} />
        <Scope.Provider value={session.scope}>
          <Page route={route} all={session.connectors === null} />
        </Scope.Provider>
      </main>
      <footer>
        <a href="/docs" target="_blank" rel="noopener">
          Documentation
        </a>
        <a href="licenses.txt" target="_blank" rel="noopener">
          Licenses
        </a>
      </footer>
    </>
  );
}

function Page({ route, all }: { route: Route; all: boolean }) {
  const [first, connector, page = "visitors", what] = route.parts;
  if (!first) return <Connectors all={all} />;
  if (first === "audit") return <AuditLog />;
  if (first !== "connector" || !connector) return <Lost />;
  switch (page) {
    case "visitors":
      return what ? <Person key={connector + " " + what} connector={connector} visitor={what} /> : <Visitors key={connector} connector={connector} />;
    case "people":
      return <People key={connector} connector={connector} />;
    case "offers":
      return <Offers key={connector} connector={connector} />;
    case "explain":
      return <Explain key={connector} connector={connector} topic={what ?? ""} />;
    case "events":
      return <Inspector key={connector} connector={connector} />;
    case "audit":
      return <AuditLog key={connector} connector={connector} />;
    case "settings":
      return <Settings key={connector} connector={connector} />;
  }
  return <Lost />;
}

const Lost = () => (
  <Empty title="There is no such page">
    <p>
      <a href="#/">All connectors</a>
    </p>
  </Empty>
);

/** Names the document after the page, and gives a page that was gone to the focus. */
function useTitle({ parts }: Route): void {
  const key = parts.join("/");
  const before = useRef(key);
  useLayoutEffect(() => {
    const label = pages.find(([name]) => name === (parts[2] ?? "visitors"))?.[1] ?? "";
    document.title = [parts[1] && label, parts[1] ?? (parts[0] === "audit" ? "Audit log" : "Connectors"), "Hullbeam"].filter(Boolean).join(" · ");
    if (before.current === key) return;
    before.current = key;
    scrollTo(0, 0);
    document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [key]);
}

// A link within the page is no page: it moves the focus.
document.querySelector("a.skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main")?.focus();
});

render(<Admin />, document.getElementById("admin")!);
