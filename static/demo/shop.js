// The shop's own script: who is at the browser, and the switch that shows the attributes.
// Hullbeam needs none of it but the call of identify, and that only because this site has
// no analytics library whose identifiers it could find.
"use strict";

// Calls that are made before ship.js has loaded wait for it (docs/personalization.md).
(function (w, m) {
  if (!w.hullBrowser) {
    var q = [];
    w.hullBrowser = { q: q };
    m.split(" ").forEach(function (n) { w.hullBrowser[n] = function () { q.push([n, arguments]); }; });
  }
})(window, "on once off consent identify reset email receipt");

/** Who is at the browser; every page and tab of the shop has the same. */
const shop = (() => {
  const name = "fernleaf";
  const listeners = [];
  // What the development mode of Hullbeam speaks of in the terminal is this visitor.
  const first = { anonymous_id: "demo-visitor-0001" };

  function session() {
    try {
      return JSON.parse(localStorage.getItem(name)) || first;
    } catch {
      return first;
    }
  }

  /** What Hullbeam may know: a proof of the email, when somebody has signed in. */
  function identify({ anonymous_id, email, identity_token }) {
    window.hullBrowser.identify(email ? { anonymous_id, email, identity_token } : { anonymous_id });
  }

  let current = session();

  /** Somebody else is forgotten; who has only said more of themselves is not, nor what they looked at before. */
  function applied() {
    const before = current;
    current = session();
    if (current.anonymous_id !== before.anonymous_id || (before.email && current.email !== before.email)) window.hullBrowser.reset();
    identify(current);
    for (const listener of listeners) listener(current);
  }

  function change(to) {
    localStorage.setItem(name, JSON.stringify(to));
    applied();
  }

  /** A real site's back end checks a password before it signs. */
  async function proof(email) {
    const answer = await fetch("/demo/sign-in", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ email }) });
    if (!answer.ok) throw new Error(await answer.text());
    return { email, identity_token: (await answer.json()).identity_token, signed_at: Date.now() };
  }

  async function signIn(email) {
    change({ ...session(), ...(await proof(email)) });
  }

  function signOut() {
    change({ anonymous_id: session().anonymous_id });
  }

  /** Proofs are good for an hour: an older one is made anew, as when a page is rendered. */
  async function start() {
    const known = session();
    if (known.email && Date.now() - known.signed_at > 30 * 60000) await signIn(known.email);
    else identify(known);
  }

  window.addEventListener("storage", (event) => event.key === name && applied());
  start();
  return { session, change, signIn, signOut, onChange: (listener) => { listeners.push(listener); listener(session()); } };
})();

const byId = (id) => document.getElementById(id);

// Signing in and out.
if (byId("sign-in")) {
  byId("sign-in").addEventListener("submit", (event) => {
    event.preventDefault();
    shop.signIn(byId("email").value).then(() => event.target.closest("details").removeAttribute("open"));
  });
  byId("sign-out").addEventListener("submit", (event) => {
    event.preventDefault();
    shop.signOut();
    event.target.closest("details").removeAttribute("open");
  });
  shop.onChange(({ email }) => {
    byId("sign-in").hidden = Boolean(email);
    byId("sign-out").hidden = !email;
    byId("signed-in-as").textContent = email || "";
  });
}

// The letter. Hullbeam tells operators the email that is typed there, for the form has data-hull-email.
if (byId("letter")) {
  byId("letter").addEventListener("submit", (event) => {
    event.preventDefault();
    event.target.querySelector("[role=status]").textContent = "Noted. This is a demonstration: no letter comes.";
  });
}

/** The tag of an element as its author wrote it, with the attributes that matter to Hullbeam. */
function written(element) {
  const attributes = [...element.attributes].filter(({ name }) => name.startsWith("data-hull-")).map(({ name, value }) => `${name}="${value}"`);
  if (element.hasAttribute("data-hull-show")) attributes.push("hidden");
  return `<${element.localName} ${attributes.join(" ")}>`;
}

/** Puts before each personalised element why it is as it is. */
function explain() {
  const marked = [...document.body.querySelectorAll("*")].filter((element) => [...element.attributes].some(({ name }) => name.startsWith("data-hull-")));
  for (const element of marked) {
    const why = document.createElement("code");
    why.className = "why";
    why.textContent = written(element);
    element.before(why);
    const look = () => why.classList.toggle("absent", element.getClientRects().length === 0);
    new MutationObserver(look).observe(element, { attributes: true });
    look();
  }
}

if (byId("explain")) {
  byId("explain").addEventListener("change", (event) => {
    if (event.target.checked && !document.querySelector(".why")) explain();
    document.body.classList.toggle("explained", event.target.checked);
  });
}
