// The dashboard plays Hull, and the operators, by what development mode has below /demo/.
// It listens to the snippet as any page can.
"use strict";

const shownSegments = ["vip", "cart"];
const told = 30; // events that are kept on the page

let people = {}; // what the pretend Hull knows, by id

/** Asks what is behind the demonstration site. */
async function ask(method, path, body) {
  const request = body === undefined ? { method } : { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch("/demo" + path, request);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text.trim()}`);
  return JSON.parse(text);
}

/** The person who is at the browser, as Hull knows them: [id, user], an id alone for somebody new. */
function atTheBrowser() {
  const { anonymous_id, email } = shop.session();
  const known = Object.entries(people);
  return (
    (email && known.find(([, { user }]) => user.email === email)) ||
    known.find(([, { user }]) => (user.anonymous_ids || []).includes(anonymous_id)) || [`demo-${anonymous_id}`, undefined]
  );
}

/** A line for a terminal: everything between single quotes is literal there. */
const quote = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
const curl = (path, body) => `curl --json ${quote(JSON.stringify(body))} ${location.origin}/demo${path}`;

/** The notification that says what Hull knows of somebody now, and what they did. */
function notifyLine(id, { user, account, segments }, events) {
  const own = ["id", "email", "external_id", "anonymous_ids", "indexed_at"];
  const words = [`hullbeam notify --url ${location.origin} --user-id ${quote(id)}`];
  for (const anonymous of user.anonymous_ids || []) words.push(`--anonymous-id ${quote(anonymous)}`);
  if (user.email) words.push(`--email ${quote(user.email)}`);
  if (user.external_id) words.push(`--external-id ${quote(user.external_id)}`);
  for (const [name, value] of Object.entries(user)) if (!own.includes(name)) words.push(`--trait ${quote(`${name}=${value}`)}`);
  for (const [name, value] of Object.entries(account || {})) words.push(`--account-trait ${quote(`${name}=${value}`)}`);
  for (const segment of segments || []) words.push(`--segment ${quote(segment)}`);
  for (const { event } of events || []) words.push(`--event ${quote(event)}`);
  return words.join(" \\\n  ");
}

/** Shows how something went. */
function answered(text, failed) {
  byId("answer").textContent = text;
  byId("answer").classList.toggle("failed", Boolean(failed));
}

/** Does something, shows its line, and looks what has become of it. */
async function play(path, body) {
  byId("curl").textContent = curl(path, body);
  byId("as-notify").hidden = true;
  try {
    const answer = await ask("POST", path, body);
    answered(answer.sent ? `Hullbeam has taken it: ${answer.sent.map(({ status }) => status).join(", ")}.` : `Sent to ${answer.live} open streams.`);
    await look();
  } catch (error) {
    answered(error.message, true);
  }
}

/** Changes the person at the browser. A guest becomes somebody whom Hull knows. */
async function change(what) {
  const [id, known] = atTheBrowser();
  const body = known ? what : { ...what, user: { anonymous_ids: [shop.session().anonymous_id], ...what.user } };
  await play(`/hull/users/${encodeURIComponent(id)}`, body);
  if (people[id]) {
    byId("notify").textContent = notifyLine(id, people[id], what.events);
    byId("as-notify").hidden = false;
  }
}

/** Reads what Hull knows, and shows it. */
async function look() {
  people = (await ask("GET", "/hull/")).users;
  show();
}

function choice(text, pressed, onClick) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.setAttribute("aria-pressed", String(pressed));
  button.addEventListener("click", onClick);
  return button;
}

/** Who has a browser that Hull knows, and a guest. */
function showPeople() {
  const { anonymous_id } = shop.session();
  const choices = Object.entries(people).filter(([, { user }]) => (user.anonymous_ids || []).length > 0).map(([id, { user }]) => {
    const theirs = user.anonymous_ids;
    return choice(user.name || id, theirs.includes(anonymous_id), () => shop.change({ anonymous_id: theirs[0] }));
  });
  const known = Object.values(people).some(({ user }) => (user.anonymous_ids || []).includes(anonymous_id));
  choices.push(choice("A new guest", !known, () => shop.change({ anonymous_id: `guest-${crypto.randomUUID()}` })));
  byId("people").replaceChildren(...choices);
}

function showSession() {
  const { email } = shop.session();
  const [, person] = atTheBrowser();
  byId("session").textContent = email
    ? `Signed in as ${email}: a signed token proves it, and all public traits count.`
    : "Not signed in: the browser's anonymous id says who it is.";
  byId("sign-in-as").hidden = Boolean(email);
  byId("sign-in-as").disabled = !person || !person.user.email;
  byId("sign-out-now").hidden = !email;
}

function showPerson() {
  const [, person] = atTheBrowser();
  const { user, account, segments } = { user: {}, account: {}, ...person };
  byId("person").textContent = user.name || "a guest";
  const form = byId("traits");
  for (const [field, value] of [["name", user.name], ["plan", user.plan], ["points", user.points], ["company", account?.name]]) {
    if (form.elements[field] !== document.activeElement) form.elements[field].value = value ?? "";
  }
  byId("segments").replaceChildren(...shownSegments.map((segment) => {
    const inside = (segments || []).includes(segment);
    return choice(segment, inside, () => change(inside ? { leave: [segment] } : { enter: [segment] }));
  }));
}

function show() {
  showPeople();
  showSession();
  showPerson();
}

byId("sign-in-as").addEventListener("click", () => shop.signIn(atTheBrowser()[1].user.email).catch((error) => answered(error.message, true)));
byId("sign-out-now").addEventListener("click", () => shop.signOut());

byId("traits").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, plan, points, company } = event.target.elements;
  document.activeElement.blur();
  change({
    user: { name: name.value || null, plan: plan.value || null, points: points.value === "" ? null : Number(points.value) },
    account: { name: company.value || null },
  });
});
byId("traits").elements.plan.addEventListener("change", () => byId("traits").requestSubmit());

for (const button of document.querySelectorAll("[data-event]")) {
  button.addEventListener("click", () => change({ events: [{ event: button.dataset.event }] }));
}

byId("offer").addEventListener("submit", (event) => {
  event.preventDefault();
  const { title, text, url } = event.target.elements;
  const data = { text: text.value };
  if (title.value) data.title = title.value;
  if (url.value) Object.assign(data, { url: url.value, label: "Have a look" });
  play("/offers", { to: { all: true }, data, expires_in: "10m" });
});

// What the page is told.

/** What is new in an event, in a few words. */
function summary(name, { user, segments, segment, changes, data, message, state, code }) {
  switch (name) {
    case "user.update": {
      if (!changes) return "as the last page knew it";
      const changed = Object.entries(changes.user).map(([trait, pair]) => (Array.isArray(pair) ? `${trait}: ${JSON.stringify(pair[0])} → ${JSON.stringify(pair[1])}` : trait));
      return changed.join(", ") || `segments: ${segments.join(", ") || "none"}`;
    }
    case "user.private": return "nothing may be known of them any more";
    case "user.error": return message === "not_found" ? "Hull does not know this visitor" : message;
    case "offer": return (data && (data.title || data.text)) || "";
    case "status": return code ? `${state}: ${code}` : state;
    default: return segment || (user && user.id) || "";
  }
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function tell(name, argument) {
  const line = document.createElement("summary");
  line.append(element("time", new Date().toLocaleTimeString()), element("b", name), element("span", summary(name, argument)));
  const details = document.createElement("details");
  details.append(line, element("pre", JSON.stringify(argument, null, 2)));
  const item = document.createElement("li");
  item.append(details);
  byId("told").prepend(item);
  while (byId("told").children.length > told) byId("told").lastChild.remove();
}

for (const name of ["user.update", "user.private", "user.error", "segment.enter", "segment.leave", "offer", "status"]) {
  document.addEventListener(`hull:${name}`, ({ detail }) => {
    if (name === "status") byId("status").textContent = summary(name, detail);
    else tell(name, detail);
    byId("state").textContent = JSON.stringify(window.hullBrowser.state(), null, 2) || "nothing";
  });
}

shop.onChange(show);
look().catch((error) => answered(error.message, true));
