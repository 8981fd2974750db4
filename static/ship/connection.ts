// One event stream: a token, an EventSource, and both again whenever they are lost
// (docs/protocol.md; what browsers do: docs/sse-facts.md).

import { debug } from "./page";
import type { Open } from "./parts";
import { read } from "./state";
import type { Status } from "./types";

/** What is asked for and of whom. */
export interface Target {
  /** The connector's token route. */
  url_: string;
  /** The body of a token request, made anew for each. */
  body_(): unknown;
  /** The id of the last event that was heard. */
  lastEventId_(): string;
  /** The server asked not to be asked before: milliseconds, by the clock. */
  notBefore_: number;
  /** The answer with the newest token; like notBefore it outlives a stream. */
  answer_?: { token: string; stream_url: string; expires_at: string; visitor_key: string } | undefined;
}

const types = ["room.joined", "cache.miss", "user.update", "user.private", "user.error", "offer", "heartbeat", "close"];

/** The first pause between attempts is up to so many milliseconds, each one after it up to twice as long, up to the longest. */
const firstPause = 2000;
const longestPause = 60000;

/** Silence, in heartbeats, after which a stream is dead though nothing says so. */
const dead = 2.5;

/**
 * Opens a stream to a target. `receive` gets each event, and besides `status`, a Status
 * without the connector, and `token`, when they change. A refusal ends it for good: the
 * status says refused, and why.
 */
export const stream =
  (target: Target): Open =>
  (receive) => {
    let source: EventSource | undefined;
    let timer = 0; // of the next attempt: after a pause, or after silence
    let round = 0; // what an earlier attempt brings is too late
    let failures = 0;
    let heartbeat = 15000;

    const tell = (state: Status["state"], more?: Partial<Status>) => receive("status", { state, ...more });

    const end = () => {
      round++;
      clearTimeout(timer);
      source?.close();
    };

    const listening = () => {
      clearTimeout(timer);
      timer = setTimeout(connect, heartbeat * dead);
    };

    const again = (pause: number) => {
      end();
      timer = setTimeout(connect, Math.min(pause, 2 ** 31 - 1)); // no timer is longer
      tell("waiting", { retry_in_ms: Math.round(pause) });
    };

    /** Tries again after a pause of random length, so that those who were cut together do not come back together. */
    const fail = () => again(Math.max(target.notBefore_ - Date.now(), 0) + Math.random() * Math.min(longestPause, firstPause * 2 ** failures++));

    const connect = () => {
      end();
      listening();
      tell("connecting");
      const mine = round;
      if (Date.now() < Date.parse(target.answer_?.expires_at!)) follow();
      else
        ask().catch((error) => {
          debug(error);
          if (mine == round) fail();
        });
    };

    const ask = async () => {
      const mine = round;
      const response = await fetch(target.url_, { method: "POST", credentials: "omit", body: JSON.stringify(target.body_()) }); // text/plain: no preflight
      const answer = await response.json().catch(() => ({})); // of a proxy, perhaps
      if (mine != round) return;
      if (answer.token) {
        target.answer_ = answer;
        receive("token", answer);
        follow();
      } else if (answer.code && response.status < 500 && response.status != 429) {
        end();
        tell("refused", { code: answer.code });
      } else {
        const after = response.headers.get("Retry-After")!; // seconds, or a date
        target.notBefore_ = +after ? Date.now() + +after * 1000 : Date.parse(after) || 0;
        fail();
      }
    };

    const follow = () => {
      source = new EventSource(`${target.answer_!.stream_url}?token=${encodeURIComponent(target.answer_!.token)}&last_event_id=${target.lastEventId_()}`);
      source.onerror = () => {
        // Any status but 200 ends an EventSource for good and does not say which it was: the token request will.
        if (source!.readyState > 1) target.answer_ = undefined;
        fail();
      };
      for (const type of types) source.addEventListener(type, (event) => take(type, event as MessageEvent<string>));
    };

    const take = (type: string, event: MessageEvent<string>) => {
      const data = read(event.data);
      heartbeat = data.heartbeat_ms || heartbeat;
      listening();
      if (type == "room.joined") {
        failures = 0;
        tell("open");
      }
      receive(type, data, event.lastEventId);
      if (type == "close") {
        if (data.message == "revoked") target.answer_ = undefined;
        target.notBefore_ = Date.now() + (data.reconnect_in_ms || 0);
        again(data.reconnect_in_ms || 0);
      }
    };

    const wait = target.notBefore_ - Date.now();
    if (wait > 0) again(wait);
    else connect();
    return end;
  };
