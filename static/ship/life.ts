// The life of a page (docs/sse-facts.md, 8): hidden, frozen, left, restored, offline.

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
