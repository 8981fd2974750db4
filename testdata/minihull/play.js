// Plays Hull by minihull, as it is told on standard input: each line is a list of a
// method of minihull and its arguments, each answer a line with its result or its error.
// The argument is the port on which minihull listens.
const readline = require("readline");
const MiniHull = require("minihull");

const port = Number(process.argv[2]);
const minihull = new MiniHull();

// What is no method of minihull but work on its database.
const own = {
  segment: (segment) => minihull.segments().insert(segment).write(),
  user: (user) => minihull.users().insert(user).write(),
  connector: () => minihull.connectors().get(0).value(),
  smartNotify: (channel, messages) => {
    const connector = own.connector();
    return minihull.smartNotifyConnector(connector, `${connector._url}/smart-notifier`, channel, messages, minihull.segments().value());
  },
};

// shown is what is of interest in a response of superagent's, or in anything else.
function shown(result) {
  if (Array.isArray(result)) return result.map(shown);
  return result && result.req ? { status: result.status, text: result.text } : result;
}

async function run(line) {
  const [method, ...args] = JSON.parse(line);
  try {
    const result = await (own[method] ? own[method](...args) : minihull[method](...args));
    return { result: shown(result) };
  } catch (err) {
    return { error: String(err), status: err.status, text: err.response && err.response.text };
  }
}

minihull.listen(port).then(async () => {
  console.log(JSON.stringify({ result: "listening" }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await run(line)));
  }
  process.exit(0);
});
