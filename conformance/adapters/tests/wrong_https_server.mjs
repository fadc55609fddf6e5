// A server of the HTTPS interface that answers in another way, named by its second argument: wrongly, or as rightly as
// the server whose address is its first argument, and which it asks.

import { lastByteChanged, serve } from "./between.mjs";

const [address, way] = process.argv.slice(2);
const kept = new Map();

const empty = (status) => () => ({ status, headers: {}, body: Buffer.alloc(0) });
const inBody = (change) => (answer) => ({ ...answer, body: change(answer.body) });
const delayed = (answer) => new Promise((done) => setTimeout(() => done(answer), 300));

// A name of a field in CBOR, put in place of another of the same length.
const renamed = (from, to) => inBody((body) => Buffer.from(body.toString("latin1").replace(from, to), "latin1"));

// The code of a reject, put in place of the one that is told.
const coded = (code) => (body) => {
  const place = body.indexOf("reject_code");
  if (place < 0) return body;
  const changed = Buffer.from(body);
  changed[place + "reject_code".length] = code;
  return changed;
};

// The first answers are right: those from which a client learns who is there.
const later = (change) => (answer) => {
  kept.set("count", (kept.get("count") ?? 0) + 1);
  return kept.get("count") > 3 ? change(answer) : answer;
};

// The same is answered again and again.
function same(answer) {
  if (!kept.has("answer")) kept.set("answer", answer);
  return kept.get("answer");
}

// Each answer is that to the request before.
function previous(answer) {
  const before = kept.get("answer") ?? answer;
  kept.set("answer", answer);
  return before;
}

const ways = {
  // Right ones.
  none: [/^$/, null],
  is_slow: [/./, delayed],
  does_not_say_that_it_is_cbor: [/\/api\//, inBody((body) => (body[0] === 0xd9 ? body.subarray(3) : body))],
  has_no_asynchronous_calls: [/v2\/canister\/[^/]*\/call$/, empty(404), "without asking"],
  refuses_with_other_codes: [/call$/, inBody(coded(2))],

  // Wrong ones.
  tells_another_root_key: [/status$/, inBody((body) => lastByteChanged(body, "root_key"))],
  tells_no_root_key: [/status$/, renamed("root_key", "rust_key")],
  forges_certificates: [/read_state$/, inBody((body) => lastByteChanged(body, "certificate"))],
  tells_no_certificates: [/read_state$/, renamed("certificate", "certificata")],
  repeats_a_certificate: [/read_state$/, later(same)],
  lets_nobody_read: [/read_state$/, later(empty(403))],
  changes_answers_to_queries: [/query$/, inBody((body) => lastByteChanged(body, "arg"))],
  changes_signatures: [/query$/, inBody((body) => lastByteChanged(body, "signature"))],
  signs_no_answers: [/query$/, renamed("signatures", "signaturas")],
  answers_the_query_before: [/query$/, previous],
  refuses_queries: [/query$/, empty(400), "without asking"],
  invents_codes_of_refusals: [/call$/, inBody(coded(9))],
  loses_calls: [/call$/, empty(202), "without asking"],
  takes_all_calls: [/call$/, (answer) => ({ ...answer, status: 202, body: Buffer.alloc(0) }), "whatever is answered"],
  refuses_calls: [/call$/, empty(400), "without asking"],
  answers_no_cbor: [/query$/, inBody(() => Buffer.from("<html>"))],
  fails: [/query$/, empty(500), "without asking"],
  hangs_up: [/call$/, () => null, "without asking"],
};

serve(address, ways[way]);
