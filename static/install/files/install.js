// The address holds the connector's secret: it goes, before anything can read it.
history.replaceState(null, "", location.pathname);

const check = document.getElementById("check");
const note = document.getElementById("note");
const copy = document.getElementById("copy");
const snippet = document.getElementById("snippet");

const say = (text) => { if (note.textContent !== text) note.textContent = text; };

// Where the clipboard is not for frames the snippet is selected, ready to be copied.
copy.hidden = false;
copy.addEventListener("click", async () => {
  getSelection().selectAllChildren(snippet);
  try {
    await navigator.clipboard.writeText(snippet.textContent);
    copy.textContent = "Copied";
  } catch {
    copy.textContent = "Selected: now press Ctrl+C or ⌘C";
  }
  setTimeout(() => { copy.textContent = "Copy"; }, 4000);
});

// The operators' pages need a cookie, which a frame does not get: they open in a tab of their own, and sign in there
// with a code. The tab is made at once, since browsers let nobody open one later than a click.
const operators = document.getElementById("operators");
const operatorsNote = document.getElementById("operators-note");
if (operators) {
  operators.hidden = false;
  operators.addEventListener("click", async () => {
    const tab = open("about:blank", "_blank");
    if (!tab) {
      operatorsNote.textContent = "The browser does not let this page open another one.";
      return;
    }
    tab.opener = null;
    try {
      const answer = await fetch("/install/code", { method: "POST", headers: { Authorization: "Bearer " + check.dataset.token } });
      if (!answer.ok) throw new Error();
      tab.location.replace(new URL((await answer.json()).url, location.origin));
      operatorsNote.textContent = "";
    } catch {
      tab.close();
      operatorsNote.textContent = "They cannot be opened right now. Open this page again in Hull, and try once more.";
    }
  });
}

// What comes is this page's own part, made by the same template.
async function refresh() {
  try {
    const answer = await fetch("/install/check", { headers: { Authorization: "Bearer " + check.dataset.token } });
    if (answer.status === 401) {
      say("This page has been open for long. Open it again in Hull for what is new.");
      return;
    }
    if (!answer.ok) throw new Error();
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    if (part.innerHTML.trim() !== check.innerHTML.trim()) check.replaceChildren(...part.childNodes);
    say("");
  } catch {
    say("The server does not answer right now. What is below may be old.");
  }
  setTimeout(refresh, 10_000);
}
setTimeout(refresh, 10_000);
