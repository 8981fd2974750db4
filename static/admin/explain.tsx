// Why a visitor gets what they get, or nothing.

import { useEffect, useState } from "preact/hooks";
import { call, of } from "./api";
import { exact, print } from "./exact";
import { useAction, useLoad } from "./load";
import { Busy, Confirm, Empty, Problem, Text, Time } from "./parts";
import { at } from "./route";
import { Changes } from "./scope";
import type { Explanation } from "./types";

const kinds = ["email", "external_id", "anonymous_id", "id"];

export function Explain({ connector, topic }: { connector: string; topic: string }) {
  const [kind, setKind] = useState("email");
  const [value, setValue] = useState("");
  useEffect(() => {
    const colon = topic.indexOf(":");
    if (colon > 0 && kinds.includes(topic.slice(0, colon))) {
      setKind(topic.slice(0, colon));
      setValue(topic.slice(colon + 1));
    }
  }, [topic]);
  const submit = (event: Event) => {
    event.preventDefault();
    if (value.trim()) location.hash = at(connector, "explain", `${kind}:${value.trim()}`);
  };
  // A whole topic may be pasted.
  const typed = (text: string) => {
    const pasted = /^(email|external_id|anonymous_id|id):(.*)$/.exec(text);
    if (pasted?.[1]) setKind(pasted[1]);
    setValue(pasted ? (pasted[2] ?? "") : text);
  };
  return (
    <>
      <h1 tabIndex={-1}>Explain</h1>
      <form class="filters" role="search" onSubmit={submit}>
        <label>
          <span>Kind</span>
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            {kinds.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label class="wide">
          <span>Value</span>
          <input value={value} onInput={(event) => typed(event.currentTarget.value)} required placeholder={kind === "email" ? "ada@example.com" : ""} autocomplete="off" spellcheck={false} />
        </label>
        <button class="main">Explain</button>
      </form>
      {topic ? (
        <Answer key={topic} connector={connector} topic={topic} />
      ) : (
        <Empty title="Why does a visitor get nothing?">
          <p>
            Enter what you know of them: an email, an id of yours or of Hull's, or an anonymous id. Each gate between what is known and their page says whether it lets
            it through, and what to do when it does not.
          </p>
        </Empty>
      )}
    </>
  );
}

const gates: { [gate: string]: string } = {
  origin: "The page's domain is allowed",
  identity: "The identity counts",
  erased: "They were not erased",
  cached: "The user is known here",
  segment: "The user is in a synchronized segment",
  whitelist: "Something is whitelisted to be sent",
  size: "The payload fits into an event",
  stream: "A page of theirs is open",
};

function Answer({ connector, topic }: { connector: string; topic: string }) {
  const path = of(connector, "users", topic);
  const answer = useLoad(path, async (signal) => exact<Explanation>(await (await call("GET", path, undefined, signal)).text()));
  const [erasing, setErasing] = useState(false);
  if (!answer.data)
    return (
      <>
        <Problem error={answer.error} retry={answer.reload} />
        {answer.busy && <Busy what="the answer" />}
      </>
    );
  const { user, payload, streams } = answer.data;
  const failed = answer.data.gates.filter(({ pass }) => !pass).length;
  return (
    <>
      <p role="status" class={"verdict " + (failed ? "error" : "ok")}>
        {failed ? (failed === 1 ? "One gate does not let them through." : `${failed} gates do not let them through.`) : "All gates let them through."}{" "}
        <button type="button" class="link" onClick={answer.reload}>
          Look again
        </button>
      </p>
      <Problem error={answer.error} retry={answer.reload} />
      <ol class="gates">
        {answer.data.gates.map(({ gate, pass, detail, hint }) => (
          <li key={gate} class={pass ? "ok" : "error"}>
            <h3>
              <span class="mark">{pass ? "✓" : "✗"}</span> {gates[gate] ?? gate} <span class="hidden">{pass ? "passes" : "fails"}</span>
            </h3>
            <p>
              <Text of={detail} />
            </p>
            {hint && <p class="hint">{hint}</p>}
          </li>
        ))}
      </ol>
      {payload && (
        <section class="panel">
          <h2>What their page gets</h2>
          <div class="charts">
            <div>
              <h3>When signed</h3>
              <pre tabIndex={0}>{print(payload.signed)}</pre>
            </div>
            <div>
              <h3>When not signed</h3>
              <pre tabIndex={0}>{print(payload.unsigned)}</pre>
            </div>
          </div>
        </section>
      )}
      {streams.length > 0 && (
        <section class="panel">
          <h2>Their open pages</h2>
          <ul class="plain">
            {streams.map((stream, i) => (
              <li key={i}>
                <a href={at(connector, "visitors", stream.visitor)}>{stream.visitor || "a visitor"}</a> on <Text of={stream.origin} /> as <Text of={stream.topic} />{" "}
                {stream.signed ? "signed" : "not signed"}
              </li>
            ))}
          </ul>
        </section>
      )}
      {user && (
        <section class="panel">
          <h2>What is cached</h2>
          <p>
            User <code>{user.id}</code>, version {print(user.version)}
            {user.indexed_at && (
              <>
                , indexed <Time at={user.indexed_at} />
              </>
            )}
            . Topics: <Text of={user.topics.join(", ")} />
          </p>
          <details>
            <summary>The state as Hull sent it</summary>
            <pre tabIndex={0}>{print(user.state)}</pre>
          </details>
          <Changes>
            <p class="actions">
              <button type="button" class="danger" onClick={() => setErasing(true)}>
                Erase this user…
              </button>
            </p>
          </Changes>
        </section>
      )}
      {erasing && <EraseUser path={path} topic={topic} close={() => setErasing(false)} done={answer.reload} />}
    </>
  );
}

function EraseUser({ path, topic, close, done }: { path: string; topic: string; close: () => void; done: () => void }) {
  const action = useAction(async () => {
    await call("DELETE", path);
    close();
    done();
  });
  return (
    <Confirm title="Erase this user" word={topic.slice(topic.indexOf(":") + 1)} action="Erase" close={close} {...action} error={action.error}>
      <p>What is cached of them, and the history of all their browsers, is deleted. Their pages are told. For 30 days nothing older brings them back. This cannot be undone.</p>
    </Confirm>
  );
}
