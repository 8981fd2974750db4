// What operators have done.

import { of } from "./api";
import { useList } from "./load";
import { Busy, Empty, More, Problem, Text, Time } from "./parts";
import type { Audit } from "./types";

/** The log of a connector; without one: of what concerns none. */
export function AuditLog({ connector }: { connector?: string }) {
  const entries = useList<Audit>(connector ? of(connector, "audit") : "/audit");
  return (
    <>
      <h1 tabIndex={-1}>Audit log</h1>
      <Problem error={entries.error} retry={entries.reload} />
      {!entries.items.length &&
        (entries.busy ? (
          <Busy what="the log" />
        ) : (
          !entries.error && (
            <Empty title="Nothing was changed yet">
              <p>What operators change is kept here: offers, settings, erasures; with who did it and from where.</p>
            </Empty>
          )
        ))}
      {entries.items.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Audit log">
          <table>
            <thead>
              <tr>
                <th>When</th>
                <th>Who</th>
                <th>What</th>
                <th>To</th>
                <th>Result</th>
              </tr>
            </thead>
            <tbody>
              {entries.items.map((entry) => (
                <tr key={entry.at + entry.request_id}>
                  <td data-label="When">
                    <Time at={entry.at} />
                  </td>
                  <td data-label="Who">
                    {entry.operator ? <Text of={entry.operator} /> : "unknown"} <small>{entry.address}</small>
                  </td>
                  <td data-label="What">{entry.action}</td>
                  <td data-label="To">
                    <Text of={entry.target} />
                  </td>
                  <td data-label="Result" class={entry.result === "ok" ? "" : "wrong"} title={"Request " + entry.request_id}>
                    {entry.result}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More {...entries} />
    </>
  );
}
