// Verifies pairs of requests and responses, from standard input, as gateways of production do.

const fs = require("node:fs");
const { verifyRequestResponsePair } = require("@dfinity/response-verification");

const given = JSON.parse(fs.readFileSync(0, "utf8"));
const bytes = (message) => ({ ...message, body: Uint8Array.from(message.body) });
const verdicts = given.pairs.map(({ request, response }) => {
  try {
    verifyRequestResponsePair(
      bytes(request),
      bytes(response),
      Uint8Array.from(given.canister),
      BigInt(given.now),
      BigInt(given.offset),
      Uint8Array.from(given.root_key),
      1,
    );
    return "passed";
  } catch (problem) {
    return String(problem.message ?? problem);
  }
});
console.log(JSON.stringify(verdicts));
