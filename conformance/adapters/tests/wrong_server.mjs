// A server of PocketIC that answers wrongly in one way, named by its second argument. It asks the server whose address
// is its first argument.

import { lastByteChanged, serve } from "./between.mjs";

const [address, fault] = process.argv.slice(2);
let asked = 0;

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
    inJson((told) => ({ nanos_since_epoch: told.nanos_since_epoch - 86_400_000_000_000 * ++asked })),
  ],
  answers_no_json: [/\/tick$/, (answer) => ({ ...answer, body: Buffer.from("<html>") })],
  fails: [/\/tick$/, (answer) => ({ ...answer, status: 500 })],
  hangs_up: [/\/tick$/, () => null],
};

serve(address, faults[fault]);
