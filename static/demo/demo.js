// The demonstration page: a token, an EventSource, a table of what arrives.
"use strict";

const types = ["room.joined", "cache.miss", "user.update", "user.private", "user.error", "close"];

function show(type, data) {
  const row = document.createElement("tr");
  for (const text of [new Date().toLocaleTimeString(), type, data]) {
    row.appendChild(document.createElement("td")).textContent = text;
  }
  document.getElementById("events").prepend(row);
}

function status(text) {
  document.getElementById("status").textContent = text;
}

async function token() {
  const claims = { anonymous_id: document.getElementById("visitor").textContent };
  const answer = await fetch("/api/v1/connectors/demo/token", { method: "POST", body: JSON.stringify({ claims }) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.code}: ${body.detail}`);
  return body.token;
}

async function connect() {
  try {
    const source = new EventSource(`/api/v1/stream?token=${encodeURIComponent(await token())}`);
    source.onopen = () => status("connected");
    for (const type of types) source.addEventListener(type, (event) => show(type, event.data));
    source.onerror = () => {
      status("disconnected, connecting again …");
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
  } catch (error) {
    status(String(error));
    setTimeout(connect, 3000);
  }
}

connect();
