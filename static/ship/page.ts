// What belongs to the page or the browser, and may throw, be missing or hold anything:
// storage, history, the console. All of it is touched here, each behind its own try.

/** What `work` answers; undefined when it throws. */
export const attempt = <T>(work: () => T): T | undefined => {
  try {
    return work();
  } catch {
    return undefined;
  }
};

/** Calls what is the site's own, at once. What it throws reaches the site's error reports, as an unhandled rejection, and stops nothing here. */
export const call = async <T extends unknown[]>(work: (...values: T) => unknown, ...values: T): Promise<unknown> => work(...values);

/** The text that was kept under a name. */
export const kept = (name: string): string | null | undefined => attempt(() => localStorage.getItem(name));

/** Keeps a text under a name, "" to forget what is there. Where nothing can be kept nothing is. */
export const keep = (name: string, text: string): void => {
  attempt(() => (text ? localStorage.setItem(name, text) : localStorage.removeItem(name)));
};

/** Forgets all that was kept: of all our names. */
export const forgetKept = (): void => {
  for (const storage of ["localStorage", "sessionStorage"] as const)
    attempt(() => Object.keys(window[storage]).forEach((name) => /^hull_browser/.test(name) && window[storage].removeItem(name)));
};

/** Explains in the console, for those who ask by localStorage.debug = "hull*". */
export const debug = (...words: unknown[]): void => {
  if (/^hull/.test(kept("debug")!)) console.log("hullbeam:", ...words);
};

/** A name that is not there twice by chance. It is no secret. */
export const random = (): string => Math.random().toString(36).slice(2);
