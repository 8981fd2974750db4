// Finds the visitor's identifiers in a page: in the libraries that know them, in the
// page's address, and in what Segment has stored.

import { attempt, kept } from "./page";

/**
 * What is known of a visitor: texts that are not empty, of at most 256 bytes, and at most
 * 10 anonymous ids. Others are left out, never cut: the server refuses a request that has one.
 */
export interface Claims {
  id?: string;
  external_id?: string;
  email?: string;
  anonymous_id?: string[];
}

export interface Found {
  claims: Claims;
  /** A library in the page has not answered yet, and still may: better wait for it. */
  waiting: boolean;
}

const kinds = ["id", "external_id", "email", "anonymous_id"] as const;

/** What a source says, whatever that is. */
type Answer = { [kind in keyof Claims]?: unknown };

/**
 * An identifier as a text, "" if it is none. The names of nothing come from sites that
 * say who the visitor is without asking whether anybody is; their visitors would all be one.
 */
const identifier = (value: unknown): string => {
  const text = typeof value == "string" || typeof value == "number" ? "" + value : "";
  return /^\s*(undefined|null|NaN|0)?\s*$|[\p{Cc}\p{Cs}\ufffd]/u.test(text) || new Blob([text]).size > 256 ? "" : text;
};

/**
 * The claims of several sources, the best first: the first that has a kind wins, but
 * anonymous ids are all the visitor's, and an answer can have several.
 */
export const merge = (answers: (Answer | undefined)[]): Claims => {
  const claims: { [kind: string]: string | string[] } = {};
  kinds.forEach((kind, i) => {
    // Only anonymous ids are taken out of lists.
    const all = [...new Set(answers.map((answer) => answer?.[kind]).flat(i - 2).map(identifier).filter((text) => text))].slice(0, 10);
    if (all[0]) claims[kind] = i < 3 ? all[0] : all;
  });
  return claims;
};

/**
 * What a link to the page says. An anonymous id (ajs_aid) is not read: it proves itself,
 * and whoever mails a link could give its reader their own. Segment reads it, and is
 * believed if it has taken it.
 */
export const linked = (search: string): Answer => {
  const query = new URLSearchParams(search);
  return { external_id: query.get("ajs_uid"), email: query.get("ajs_email") || query.get("ajs_trait_email") };
};

/** What Segment has stored: JSON in localStorage; in cookies an identifier alone, quoted by older ones. */
const stored = (): Answer => {
  const read = (name: string): unknown =>
    attempt(() => JSON.parse(kept(name)!)) ??
    attempt(() => decodeURIComponent(document.cookie.match(name + "=([^;]*)")![1]!).replace(/"/g, ""));
  return { external_id: read("ajs_user_id"), email: (read("ajs_user_traits") as Answer | undefined)?.email, anonymous_id: read("ajs_anonymous_id") };
};

interface Segment {
  user(): { id(): unknown; anonymousId(): unknown; traits(): Answer };
  ready(done: () => void): unknown;
  on(event: string, listener: () => void): unknown;
  /** In the form of a package: a promise, and the library as soon as it is there. */
  then?: unknown;
  instance?: Segment;
}

interface Hull {
  ready(): PromiseLike<{ hull: { config(): { anonymousId?: unknown } }; me?: Answer | null }>;
}

/** The libraries, as they are named in a page. */
interface Page {
  analytics?: Segment;
  Hull?: Partial<Hull>;
  Intercom?: ((command: string) => unknown) & { q?: unknown };
  intercomSettings?: { user_id?: unknown; email?: unknown };
}

/**
 * Finds the identifiers of the page's visitor, from the first look() on: then, when a
 * library says that they may be others, and for a minute in growing pauses, since
 * libraries may come late. changed is called when found() says something else than before
 * and waits for nothing, also from within look(); with true when the visitor has signed
 * out or is another. forget() is what happens when a library says so: a link and what
 * was not asked again count no more.
 */
export const identifiers = (
  changed: (signedOut: boolean) => void,
): { look(): void; forget(): void; found(): Found } => {
  const patience = 500; // milliseconds that a library is waited for, from when it is first seen
  const page = window as unknown as Page;
  const limits: number[] = [];
  let link: Answer | undefined = linked(location.search); // now: an application may soon take it away
  let claims: Claims = {};
  let told = claims;
  let said = "{}";
  let waiting = false;
  let signedOut = false;
  let pause: number;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let followed: Segment | undefined;
  let unready: number; // until when Segment is not believed, unless it says that it is ready
  let asked: unknown;
  let me: Answer | undefined;
  let past: unknown; // Intercom's settings of somebody who has left

  /**
   * Segment has a user before it has made the calls that were queued for it, and says
   * that it is ready when it begins with them. It tells of an identify() when that has
   * been sent, which may be never; dispatch_start comes at once.
   */
  const follow = (library: Segment): void => {
    followed = library;
    unready = Date.now() + patience;
    library.on("reset", forget);
    library.on("identify", look);
    library.on("dispatch_start", look);
    Promise.resolve(
      library.ready(() =>
        setTimeout(() => {
          unready = 0;
          look();
        }),
      ),
    ).catch(() => {});
  };

  const segment = (): Answer | undefined => {
    const library = page.analytics?.instance || page.analytics;
    if (!library) return {};
    if (library != followed) follow(library);
    if (library.then || Date.now() < unready) return;
    const user = library.user();
    return { external_id: user.id(), email: user.traits().email, anonymous_id: user.anonymousId() };
  };

  const hull = (): Answer | undefined => {
    const { Hull } = page;
    if (!Hull?.ready) return {};
    if (Hull != asked) {
      asked = Hull;
      Promise.resolve(Hull.ready())
        .then(({ hull, me }): Answer => ({ ...me, anonymous_id: hull.config().anonymousId }))
        .catch((): Answer => ({}))
        .then((answer) => {
          me = answer;
          tick();
        });
    }
    return me;
  };

  const intercom = (): Answer | undefined => {
    const { Intercom, intercomSettings } = page;
    const { user_id, email } = (intercomSettings != past && intercomSettings) || {};
    // Its loader has a queue, and would keep the call.
    const id = Intercom && !Intercom.q && identifier(Intercom("getVisitorId"));
    if (id || user_id || email || !Intercom) return { external_id: user_id, email, anonymous_id: id && "intercom:" + id };
  };

  /**
   * Libraries beat what is stored, and of Segment's nothing stored counts once Segment
   * has spoken. A link says nothing of somebody whom a library knows.
   */
  const tick = (): void => {
    const now = Date.now();
    waiting = false;
    const answers = [segment, hull, intercom].map((library, i) => {
      const answer = attempt(library);
      if (!answer && now < (limits[i] ??= now + patience)) waiting = true;
      return answer;
    });
    claims = merge(answers);
    claims = merge([...answers, claims.id || claims.external_id ? {} : link, followed && answers[0] ? {} : stored()]);
    clearTimeout(timer);
    pause = waiting ? 50 : pause * 2;
    if (pause < 3e4) timer = setTimeout(tick, pause);
    tell(JSON.stringify(claims));
  };

  const tell = (text: string): void => {
    const left = signedOut || kinds.slice(0, 2).some((kind) => told[kind] && told[kind] != claims[kind]);
    const news = text != said;
    said = waiting ? "" : text; // whoever waited is told that there is nothing to wait for
    if (waiting) return;
    told = claims;
    signedOut = false;
    if (news) changed(left);
  };

  const look = (): void => {
    pause = 50;
    if (me) asked = 0;
    tick();
  };

  const forget = (): void => {
    signedOut = true;
    asked = link = me = undefined;
    past = page.intercomSettings;
    look();
  };

  return { look, forget, found: () => ({ claims, waiting }) };
};
