// Signing in: by an operators' key, or by the one-time code that Hull's dashboard opens the pages with.

import { useState } from "preact/hooks";
import { call } from "./api";
import { useAction } from "./load";
import { Problem } from "./parts";
import { decode } from "./route";
import type { Session } from "./types";

export async function signIn(proof: { key: string } | { code: string }): Promise<Session> {
  return (await (await call("POST", "/session", JSON.stringify(proof))).json()) as Session;
}

/** The one-time code of the address, which it leaves at once: it is in no history. */
export function takeCode(): string {
  const code = /^#code=(.+)$/.exec(location.hash)?.[1] ?? "";
  if (code) history.replaceState(null, "", location.pathname + location.search);
  return decode(code);
}

export function SignIn({ error, done }: { error: Error | undefined; done: (session: Session) => void }) {
  const [key, setKey] = useState("");
  const action = useAction(async () => done(await signIn({ key: key.trim() })));
  const submit = (event: Event) => {
    event.preventDefault();
    void action.run();
  };
  return (
    <main id="main" class="narrow">
      <h1>
        <img src="logo.svg" alt="" width="36" height="36" /> Hullbeam
      </h1>
      <form class="fields panel" onSubmit={submit}>
        <label>
          <span>Admin key</span>
          <input type="password" value={key} onInput={(event) => setKey(event.currentTarget.value)} autocomplete="current-password" required autofocus />
        </label>
        <Problem error={action.error ?? error} />
        <p class="actions">
          <button class="main" disabled={action.busy}>
            {action.busy ? "Signing in…" : "Sign in"}
          </button>
        </p>
        <p class="quiet">
          The key is the one that <code>hullbeam key</code> made for you, what <code>admin_key</code> is set to, or what Hullbeam printed at start. From Hull, open the connector's Install tab and
          choose <em>Open the operators' pages</em>.
        </p>
      </form>
    </main>
  );
}
