// A server between: it asks another one, and may change what that one answers. It writes its own port to standard output.

import http from "node:http";

// The position after the head of the byte string that follows a name in a map of CBOR, and the end of the string.
export function bytesAfter(body, name) {
  const start = body.indexOf(Buffer.concat([Buffer.from([0x60 + name.length]), Buffer.from(name)]));
  if (start < 0) return null;
  const head = start + 1 + name.length;
  const size = body[head] - 0x40;
  if (size < 24) return [head + 1, head + 1 + size];
  const width = 2 ** (size - 24);
  return [head + 1 + width, head + 1 + width + body.readUIntBE(head + 1, width)];
}

export function lastByteChanged(body, name) {
  const place = bytesAfter(body, name);
  if (place === null || place[0] === place[1]) return body;
  const changed = Buffer.from(body);
  changed[place[1] - 1] ^= 1;
  return changed;
}

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

// Which requests are answered wrongly, how, and when: if what is behind succeeds, "whatever is answered", or "without
// asking" it.
export function serve(address, [where, change, when = "if it succeeds"]) {
  const behind = new URL(address);
  const kept = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const isWrong = where.test(request.url);
    collected(request, (body) => {
      if (isWrong && when === "without asking") return answersAs(response, change());
      const { hostname, port } = behind;
      const headers = { ...request.headers, host: behind.host, "content-length": body.length };
      const options = { agent: kept, hostname, port, path: request.url, method: request.method, headers };
      const forwarded = http.request(options, (told) => {
        collected(told, (content) => {
          const answer = { status: told.statusCode, headers: told.headers, body: content };
          const isChanged = isWrong && (answer.status < 300 || when === "whatever is answered");
          Promise.resolve(isChanged ? change(answer) : answer).then((given) => answersAs(response, given));
        });
      });
      return forwarded.end(body);
    });
  });
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}
