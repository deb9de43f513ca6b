// Prints over how many connections the documented client had received each message when it came, where a minute passes
// while the first is handled, and while the third is awaited. Argument: the client's file.
import { createServer } from "node:http";

const SILENCE_MS = 45_000;
const [later, cancel] = [setTimeout, clearTimeout];
const silences = new Set();
globalThis.setTimeout = (call, ms, ...values) => {
  if (ms !== SILENCE_MS) return later(call, ms, ...values);
  const silence = { call };
  silences.add(silence);
  return silence;
};
globalThis.clearTimeout = (timer) => silences.delete(timer) || cancel(timer);
const passMinute = () => silences.forEach(({ call }) => call());

const connections = [];
const send = (position) =>
  connections.at(-1).write(`data: ${JSON.stringify({ position, eventId: `${position}` })}\n\n`);
const server = createServer((_, response) => {
  connections.push(response.writeHead(200, { "Content-Type": "text/event-stream" }));
  send(connections.length === 1 ? 1 : 3);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const { Stream } = await import(process.argv[2]);
const url = `http://127.0.0.1:${server.address().port}`;
for await (const { position } of new Stream(url, { after: 0, transport: "events" })) {
  console.log(position, connections.length);
  if (position === 1) {
    passMinute();
    send(2);
  } else if (position === 2) {
    later(passMinute);
  } else {
    process.exit();
  }
}
