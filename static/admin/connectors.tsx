// All connectors, and a new one.

import { useState } from "preact/hooks";
import { call, of } from "./api";
import { useAction, useList } from "./load";
import { Busy, Dialog, Empty, More, Problem, Time } from "./parts";
import { at, href } from "./route";
import { Changes } from "./scope";
import type { ConnectorSummary, Finding } from "./types";

const health = { ok: "Well", warning: "Warning", error: "Error" };

export const Health = ({ of: state }: { of: ConnectorSummary["health"] }) => <span class={"health " + state}>{health[state] ?? state}</span>;

export const Findings = ({ of: findings }: { of: Finding[] }) => (
  <ul class="findings">
    {findings.map(({ severity, message }) => (
      <li class={severity} key={message}>
        <strong>{severity === "setupRequired" ? "To do" : severity === "error" ? "Error" : "Note"}:</strong> {message}
      </li>
    ))}
  </ul>
);

export function Connectors({ all }: { all: boolean }) {
  const connectors = useList<ConnectorSummary>("/connectors");
  const [adding, setAdding] = useState(false);
  const none = !connectors.items.length && !connectors.busy && !connectors.error;
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Connectors</h1>
        {all && (
          <>
            <Changes>
              <button type="button" onClick={() => setAdding(true)}>
                Add a connector
              </button>
            </Changes>
            <a href={href("audit")}>Audit log</a>
          </>
        )}
      </div>
      <Problem error={connectors.error} retry={connectors.reload} />
      {connectors.busy && !connectors.items.length && <Busy what="the connectors" />}
      {none && (
        <Empty title="No connector yet">
          <p>
            A connector comes from Hull when its settings are saved there, from <code>connectors</code> in config.yaml, or from here.{" "}
            <a href="/docs/start" target="_blank" rel="noopener">
              How to start
            </a>
          </p>
        </Empty>
      )}
      <ul class="cards">
        {connectors.items.map((connector) => (
          <li class="panel" key={connector.id}>
            <h2>
              <a href={at(connector.id, "visitors")}>{connector.id}</a> <Health of={connector.health} />
            </h2>
            <p class="quiet">
              {connector.organization || "No organization: Hull is not called"} · {connector.streams} {connector.streams === 1 ? "page" : "pages"} open
              {" · "}
              {connector.last_notification ? (
                <>
                  last notification <Time at={connector.last_notification} />
                </>
              ) : (
                "no notification yet"
              )}
            </p>
            <Findings of={connector.findings ?? []} />
            <p class="links">
              <a href={at(connector.id, "visitors")}>Live visitors</a>
              <a href={at(connector.id, "settings")}>Settings</a>
            </p>
          </li>
        ))}
      </ul>
      <More {...connectors} />
      {adding && <AddConnector close={() => setAdding(false)} />}
    </>
  );
}

function AddConnector({ close }: { close: () => void }) {
  const [id, setId] = useState("");
  const action = useAction(async () => {
    await call("PUT", of(id), JSON.stringify({ organization: "", settings: {}, private_settings: {} }));
    location.hash = at(id, "settings");
  });
  const submit = (event: Event) => {
    event.preventDefault();
    void action.run();
  };
  return (
    <Dialog title="Add a connector" close={close}>
      <form class="fields" onSubmit={submit}>
        <label>
          <span>Id</span>
          <input value={id} onInput={(event) => setId(event.currentTarget.value)} required pattern="[A-Za-z0-9_\-]{1,64}" autofocus autocomplete="off" spellcheck={false} />
          <small>Letters, digits, - and _. For one of Hull's, take the connector's id there.</small>
        </label>
        <Problem error={action.error} />
        <p class="actions">
          <button class="main" disabled={action.busy}>
            Add
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}
