// One event stream for all tabs of an origin.
//
// The tab that holds the Web Lock of a name leads: it has the stream open, and says what it
// brings on the BroadcastChannel of that name. All tabs hear it there, the leader too, so
// events have one order for all. Who is given the lock next takes over.
//
// A leader may be silent while it holds the lock, as a frozen page is, or one whose script
// hangs. The others ask it, and take the lock from one that does not answer. When it wakes
// up it says what came in the meantime, not knowing yet that it leads no more; that is of
// an older term, and nobody listens.

import type { Open, Receive } from "./parts";

type Event = [type: string, data: unknown, id: string];

/**
 * What tabs say to each other: an event of the leader, with its term, which is higher than
 * any leader's before, and whom it is for, "" for all; or, of term 0, a question for the
 * leader, with who wants to be told what there is, "" for any sign of life. Tabs that have
 * different versions of this file must agree on it.
 */
type Message = [term: number, tab: string, ...event: Event | []];

/** Events that tell a state and not what happens. Those of the user tell one state. */
const states = /^(user|room|status|token)/;

const isEvent = (event: unknown[]): event is Event => typeof event[0] == "string" && !!event[1] && typeof event[1] == "object" && typeof event[2] == "string";

/**
 * Milliseconds to answer each of two questions, on average, so that not all who ask take
 * over at once. The second is for an asker that slept over the answer to the first.
 */
const answerTime = 250;

/** Milliseconds by which the clocks of tabs may differ, which browsers blur. Who steals may not have heard the leader's term, which began just now. */
const fuzz = 50;

/** Milliseconds before the first question of a tab that has just come: leaders are busy when pages load. */
const patience = 2000;

/**
 * Has this tab receive what the one stream of all tabs with the same name brings: at
 * first the latest of its states, if there is one already. open opens the stream when it
 * is this tab's turn. Where nothing can be shared, this tab has a stream of its own. The
 * answer ends it, at once: nothing is held, and nothing received, after it.
 */
export const share = (name: string, open: Open, receive: Receive): (() => void) => {
  const me = "" + Math.random();
  const latest = new Map<string, Event>();
  let term = 0; // the highest that was heard
  let mine = 0;
  let silence = 37500; // for a start, 2.5 times the server's default
  let timer: ReturnType<typeof setTimeout> | undefined;
  let turn: AbortController | undefined; // in the queue for the lock, or at the head of it
  let leave: (() => void) | undefined; // has a stream, and this ends it
  let ears: BroadcastChannel | undefined;
  let mouth: BroadcastChannel | undefined; // another, since a channel does not hear itself

  const say = (...message: Message): void => mouth?.postMessage(message);

  const take = (...event: Event): void => {
    const [type, data, id] = event;
    const state = states.exec(type)?.[0];
    const before = latest.get(state!);
    if (state) latest.set(state, event);
    silence = (data as { heartbeat_ms: number }).heartbeat_ms * 2.5 || silence;
    if (state == "user" && before?.[0] == type && before[2] == id) return; // brought again by a new leader's stream
    receive(...event);
  };

  /** Says a state again; its events are past (docs/protocol.md, ids and resuming). */
  const repeat = (tab: string, [type, data, id]: Event): void => say(mine, tab, type, type == "user.update" ? { ...(data as object), events: [] } : data, id);

  /** Gives a sign of life, and a tab that wants it the present state. */
  const answer = (tab: string): void => {
    if (tab) latest.forEach((event) => repeat(tab, event));
    say(mine, tab, "heartbeat", {}, "");
  };

  const hear = ({ data: message }: MessageEvent): void => {
    if (!Array.isArray(message)) return;
    const [of, tab, ...event] = message as Message;
    if (of === 0) {
      if (leave) answer(tab);
    } else if (of >= term && (!tab || tab == me) && isEvent(event)) {
      term = of;
      listen();
      take(...event);
    }
  };

  /** Waits for anything from the leader, asks so many times for it, and takes the lock. */
  const listen = (ms = silence, questions = 2): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (leave) return;
      if (!questions) return queue(true);
      say(0, "");
      listen(answerTime * (0.5 + Math.random()), questions - 1);
    }, ms);
  };

  const visible = (): void => {
    if (!document.hidden) listen(0);
  };

  const lead = (steal?: true): Promise<void> =>
    new Promise((release) => {
      mine = Math.max(Date.now() + (steal ? fuzz : 0), term + 1);
      let leads = true;
      const end = open((type, data, id = "") => leads && say(mine, "", type, data, id));
      leave = () => {
        leads = false;
        end();
        release();
      };
      answer("");
      // To those who came while nobody led: a stream that goes on does not bring it.
      const user = latest.get("user");
      if (user) repeat("", user);
    });

  const queue = (steal?: true): void => {
    turn?.abort();
    const my = (turn = new AbortController());
    listen(patience);
    navigator.locks
      .request(name, steal ? { steal } : { signal: my.signal }, () => (turn == my ? lead(steal) : undefined))
      .catch((error: unknown) => {
        if (turn != my) return;
        if ((error as DOMException).name != "AbortError") return alone();
        leave?.(); // it was stolen
        leave = undefined;
        follow();
      });
  };

  const follow = (): void => {
    say(0, me);
    queue();
  };

  const stop = (): void => {
    turn?.abort();
    turn = undefined;
    leave?.();
    leave = undefined;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", visible);
    ears?.close();
    mouth?.close();
  };

  const alone = (): void => {
    stop();
    leave = open(receive);
  };

  try {
    ears = new BroadcastChannel(name);
    mouth = new BroadcastChannel(name);
    ears.onmessage = hear;
    document.addEventListener("visibilitychange", visible);
    follow();
  } catch {
    alone();
  }
  return stop;
};
