// Prints what the documented client yields, one message a line. Arguments: the client's file, the URL, its options.
const [client, url, options] = process.argv.slice(2);
const { Stream, StreamRefusedError } = await import(client);
const stream = new Stream(url, JSON.parse(options));
try {
  for await (const message of stream) console.log(JSON.stringify(message));
} catch (error) {
  if (!(error instanceof StreamRefusedError)) throw error;
  console.log(JSON.stringify({ refused: error.message }));
}
