// A server of PocketIC that answers wrongly in one way, named by its second argument. It asks the server whose address
// is its first argument, and changes what that one answers. It writes its own port to standard output.

import http from "node:http";

const [address, fault] = process.argv.slice(2);
const behind = new URL(address);
const kept = new http.Agent({ keepAlive: true });

// The position after the head of the byte string that follows a name in a map of CBOR, and the end of the string.
function bytesAfter(body, name) {
  const start = body.indexOf(Buffer.concat([Buffer.from([0x60 + name.length]), Buffer.from(name)]));
  if (start < 0) return null;
  const head = start + 1 + name.length;
  const size = body[head] - 0x40;
  if (size < 24) return [head + 1, head + 1 + size];
  const width = 2 ** (size - 24);
  return [head + 1 + width, head + 1 + width + body.readUIntBE(head + 1, width)];
}

function lastByteChanged(body, name) {
  const place = bytesAfter(body, name);
  if (place === null || place[0] === place[1]) return body;
  const changed = Buffer.from(body);
  changed[place[1] - 1] ^= 1;
  return changed;
}

const inJson = (change) => (answer) => {
  const value = JSON.parse(answer.body);
  return { ...answer, body: Buffer.from(JSON.stringify(change(value) ?? value)) };
};
const inReject = (change) => inJson((value) => value?.Err && { Err: { ...value.Err, ...change(value.Err) } });

// Which requests are answered wrongly, and how.
const faults = {
  none: [/^$/, null],
  changes_replies: [
    /ingress_status$/,
    inJson((value) => {
      if (!value?.Ok) return undefined;
      const reply = Buffer.from(value.Ok, "base64");
      reply[reply.length - 1] ^= 1;
      return { Ok: reply.toString("base64") };
    }),
  ],
  changes_reject_codes: [/ingress_status$/, inReject(() => ({ reject_code: "SysTransient" }))],
  changes_errors: [/ingress_status$/, inReject(() => ({ error_code: "CanisterStopped" }))],
  changes_texts: [/ingress_status$/, inReject((told) => ({ reject_message: `${told.reject_message}!` }))],
  invents_reject_codes: [/ingress_status$/, inReject(() => ({ reject_code: "CanisterSulks" }))],
  changes_answers_to_queries: [/\/query$/, (answer) => ({ ...answer, body: lastByteChanged(answer.body, "arg") })],
  forges_certificates: [
    /read_state$/,
    (answer) => ({ ...answer, body: lastByteChanged(answer.body, "certificate") }),
  ],
  tells_another_root_key: [/pub_key$/, inJson((key) => key.map((each, i) => (i === 132 ? each ^ 1 : each)))],
  loses_calls: [/\/call$/, () => ({ status: 202, headers: {}, body: Buffer.alloc(0) }), "without asking"],
  takes_all_calls: [/\/call$/, (answer) => ({ ...answer, status: 202, body: Buffer.alloc(0) }), "whatever is answered"],
  refuses_calls: [/\/call$/, () => ({ status: 400, headers: {}, body: Buffer.from("no") }), "without asking"],
  runs_no_rounds: [/\/tick$/, () => ({ status: 200, headers: {}, body: Buffer.from("null") }), "without asking"],
  goes_back_in_time: [
    /get_time$/,
    inJson((told) => ({ nanos_since_epoch: told.nanos_since_epoch - 86_400_000_000_000 * asked })),
  ],
  answers_no_json: [/\/tick$/, (answer) => ({ ...answer, body: Buffer.from("<html>") })],
  fails: [/\/tick$/, (answer) => ({ ...answer, status: 500 })],
  hangs_up: [/\/tick$/, () => null],
};
const [where, change, when = "if it succeeds"] = faults[fault];
let asked = 0;

function answersAs(response, answer) {
  if (answer === null) return response.destroy();
  const { "content-length": _, "transfer-encoding": __, ...headers } = answer.headers;
  response.writeHead(answer.status, { ...headers, "content-length": answer.body.length });
  return response.end(answer.body);
}

const collected = (stream, then) => {
  const pieces = [];
  stream.on("data", (piece) => pieces.push(piece));
  stream.on("end", () => then(Buffer.concat(pieces)));
};

const server = http.createServer((request, response) => {
  const isWrong = where.test(request.url);
  asked += isWrong;
  collected(request, (body) => {
    if (isWrong && when === "without asking") return answersAs(response, change());
    const { hostname, port } = behind;
    const headers = { ...request.headers, host: behind.host, "content-length": body.length };
    const options = { agent: kept, hostname, port, path: request.url, method: request.method, headers };
    const forwarded = http.request(options, (told) => {
      collected(told, (content) => {
        const answer = { status: told.statusCode, headers: told.headers, body: content };
        const isChanged = isWrong && (answer.status < 300 || when === "whatever is answered");
        answersAs(response, isChanged ? change(answer) : answer);
      });
    });
    return forwarded.end(body);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
