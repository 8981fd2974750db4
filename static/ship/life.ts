// The life of a page (docs/sse-facts.md, 8): loaded in advance, hidden, frozen, left, restored, offline.

/** Comes when the page is one that somebody has asked for: a browser may load it before that, and perhaps for nothing. */
export const active = new Promise((come) => {
  if ((document as { prerendering?: boolean }).prerendering) document.addEventListener("prerenderingchange", come);
  else come(0);
});

/**
 * Calls `sleep` when the page is left, frozen, or hidden for so many seconds: it gives its
 * connection back, and may be kept by the browser as it is. Calls `wake` when somebody
 * comes back, or the network does. Calls `forgotten` when another tab has forgotten the
 * visitor.
 */
export const live = (hidden: number, sleep: () => void, wake: () => void, forgotten: () => void): void => {
  let hiding = 0;
  const look = () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(sleep, hidden * 1000);
    else wake();
  };
  addEventListener("pagehide", sleep);
  addEventListener("pageshow", look);
  addEventListener("online", look);
  document.addEventListener("freeze", sleep);
  document.addEventListener("visibilitychange", look);
  addEventListener("storage", ({ key, newValue }) => {
    if (/^hull_browser:/.test(key!) && !newValue) forgotten();
  });
  if (document.hidden) look(); // a page that was opened behind another
};
