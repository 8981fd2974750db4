// A connector's settings, its findings, and forgetting it.

import { useEffect, useState } from "preact/hooks";
import { call, get, of } from "./api";
import { Findings, Health } from "./connectors";
import { useAction, useLoad } from "./load";
import { Busy, Confirm, Problem, Snippet, snippetOf } from "./parts";
import { Changes } from "./scope";
import type { Connector, ConnectorSummary, Json, List } from "./types";

export function Settings({ connector: id }: { connector: string }) {
  const connector = useLoad(id, (signal) => get<Connector>(of(id), signal));
  const health = useLoad("health " + id, (signal) => summary(id, signal));
  const [forgetting, setForgetting] = useState(false);
  return (
    <>
      <h1 tabIndex={-1}>Settings</h1>
      <section class="panel">
        <h2>Health {health.data && <Health of={health.data.health} />}</h2>
        <Problem error={health.error} retry={health.reload} />
        {health.data && (health.data.findings?.length ? <Findings of={health.data.findings} /> : <p>Nothing is known to be wrong.</p>)}
      </section>
      <section class="panel">
        <h2>Snippet</h2>
        <p>
          This line goes into the head of the pages that are to know their visitors. <code>data-track</code> has them tell of page views, <code>data-offers</code> show
          offers as a banner; both can be left out.
        </p>
        <Snippet text={snippetOf(id)} />
      </section>
      <Problem error={connector.error} retry={connector.reload} />
      {!connector.data && connector.busy && <Busy what="the settings" />}
      {connector.data && (
        <Editor
          connector={connector.data}
          saved={() => {
            connector.reload();
            health.reload();
          }}
        />
      )}
      <Changes>
        <section class="panel">
          <h2>Forget this connector</h2>
          <p>Its settings, visitors, offers and history are deleted, and its pages get nothing any more. What is cached of its users stays.</p>
          <p class="actions">
            <button type="button" class="danger" onClick={() => setForgetting(true)}>
              Forget…
            </button>
          </p>
        </section>
      </Changes>
      {forgetting && <Forget id={id} close={() => setForgetting(false)} />}
    </>
  );
}

async function summary(id: string, signal: AbortSignal): Promise<ConnectorSummary | undefined> {
  let cursor = "";
  do {
    const page: List<ConnectorSummary> = await get("/connectors" + (cursor && "?cursor=" + encodeURIComponent(cursor)), signal);
    const found = page.items.find((item) => item.id === id);
    if (found) return found;
    cursor = page.next_cursor ?? "";
  } while (cursor);
  return undefined;
}

const text = (json: Json) => JSON.stringify(json ?? {}, null, 2);

/** What is wrong with a text that is to be a JSON object; "": nothing. */
export function wrongObject(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    return value && typeof value === "object" && !Array.isArray(value) ? "" : "This is no JSON object: it begins with { and ends with }.";
  } catch (err) {
    return "This is not JSON: " + (err instanceof Error ? err.message : String(err));
  }
}

function Editor({ connector, saved }: { connector: Connector; saved: () => void }) {
  const [organization, setOrganization] = useState(connector.organization);
  const [secret, setSecret] = useState("");
  const [settings, setSettings] = useState(text(connector.settings));
  const [secrets, setSecrets] = useState(text(connector.private_settings));
  const [done, setDone] = useState(false);
  useEffect(() => {
    setSettings(text(connector.settings));
    setSecrets(text(connector.private_settings));
  }, [connector]);
  const action = useAction(async () => {
    setDone(false);
    // The texts as they are: a number keeps its digits.
    const body = `{"organization":${JSON.stringify(organization.trim())},${secret ? `"secret":${JSON.stringify(secret)},` : ""}"settings":${settings},"private_settings":${secrets}}`;
    await call("PUT", of(connector.id), body);
    setSecret("");
    setDone(true);
    saved();
  });
  const wrong = [wrongObject(settings), wrongObject(secrets)] as const;
  const submit = (event: Event) => {
    event.preventDefault();
    void action.run();
  };
  return (
    <form class="panel fields" onSubmit={submit}>
      <h2>Edit</h2>
      <p class="quiet">
        When the connector is Hull's, Hull sends its settings again and replaces these.{" "}
        <a href="/docs/configuration" target="_blank" rel="noopener">
          What can be set
        </a>
      </p>
      <label>
        <span>Organization</span>
        <input value={organization} onInput={(event) => setOrganization(event.currentTarget.value)} placeholder="acme.hullapp.io" autocomplete="off" spellcheck={false} />
        <small>Without one Hull is not called.</small>
      </label>
      <label>
        <span>Secret</span>
        <input type="password" value={secret} onInput={(event) => setSecret(event.currentTarget.value)} autocomplete="new-password" />
        <small>It is never shown. Empty: it stays as it is.</small>
      </label>
      <JsonField label="Settings" value={settings} set={setSettings} wrong={wrong[0]} />
      <JsonField label="Private settings" value={secrets} set={setSecrets} wrong={wrong[1]} note="Secrets among them are not shown, and stay as they are unless named here." />
      <Problem error={action.error} />
      <Changes>
        <p class="actions">
          <button class="main" disabled={action.busy || wrong.some(Boolean)}>
            {action.busy ? "Saving…" : "Save"}
          </button>
          <span role="status">{done && "Saved. Pages have it."}</span>
        </p>
      </Changes>
    </form>
  );
}

/** A field for a JSON object, which says what is wrong while one types. */
export function JsonField(props: { label: string; value: string; set: (text: string) => void; wrong: string; note?: string }) {
  return (
    <label>
      <span>{props.label}</span>
      <textarea
        value={props.value}
        onInput={(event) => props.set(event.currentTarget.value)}
        rows={Math.min(24, Math.max(5, props.value.split("\n").length + 1))}
        spellcheck={false}
        aria-invalid={props.wrong !== ""}
      />
      {props.wrong ? <small class="wrong">{props.wrong}</small> : props.note && <small>{props.note}</small>}
    </label>
  );
}

function Forget({ id, close }: { id: string; close: () => void }) {
  const action = useAction(async () => {
    await call("DELETE", of(id));
    location.hash = "#/";
  });
  return (
    <Confirm title="Forget this connector" word={id} action="Forget it" close={close} {...action} error={action.error}>
      <p>This cannot be undone. Hull makes it anew when it sends its settings again.</p>
    </Confirm>
  );
}
