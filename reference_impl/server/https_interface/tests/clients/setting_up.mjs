// What programs with an agent in JavaScript share: the packages, the management canister, connecting and creating.
// Each is called as: node PROGRAM core|dfinity URL MODULE …
import { readFileSync } from 'node:fs';

export const [, , flavour, host, modulePath, ...more] = process.argv;
const packages = flavour === 'core' ? '@icp-sdk/core' : '@dfinity';
export const { Actor, CanisterStatus, HttpAgent } = await import(`${packages}/agent`);
export const { IDL } = await import(`${packages}/candid`);
export const identities = await import(`${packages}/identity`);
export const { Principal } = await import(`${packages}/principal`);

const blob = IDL.Vec(IDL.Nat8);
const id = IDL.Record({ canister_id: IDL.Principal });
const chunk = IDL.Record({ hash: blob });
const mode = IDL.Variant({
  install: IDL.Null,
  upgrade: IDL.Opt(IDL.Record({ wasm_memory_persistence: IDL.Opt(IDL.Variant({ keep: IDL.Null, replace: IDL.Null })) })),
});
const code = { mode, arg: blob };
const snapshot = IDL.Record({ id: blob, taken_at_timestamp: IDL.Nat64, total_size: IDL.Nat64 });
const record = IDL.Record({ idx: IDL.Nat64, timestamp_nanos: IDL.Nat64, content: blob });
export const management = () => IDL.Service({
  provisional_create_canister_with_cycles: IDL.Func([IDL.Record({ amount: IDL.Opt(IDL.Nat) })], [id], []),
  install_code: IDL.Func([IDL.Record({ ...code, canister_id: IDL.Principal, wasm_module: blob })], [], []),
  upload_chunk: IDL.Func([IDL.Record({ canister_id: IDL.Principal, chunk: blob })], [chunk], []),
  install_chunked_code: IDL.Func(
    [IDL.Record({ ...code, target_canister: IDL.Principal, chunk_hashes_list: IDL.Vec(chunk), wasm_module_hash: blob })],
    [], [],
  ),
  canister_status: IDL.Func([id], [IDL.Record({ module_hash: IDL.Opt(blob) })], []),
  take_canister_snapshot: IDL.Func([id], [snapshot], []),
  list_canister_snapshots: IDL.Func([id], [IDL.Vec(snapshot)], []),
  load_canister_snapshot: IDL.Func([IDL.Record({ canister_id: IDL.Principal, snapshot_id: blob })], [], []),
  fetch_canister_logs: IDL.Func([id], [IDL.Record({ canister_log_records: IDL.Vec(record) })], ['query']),
});
export const counter = () => IDL.Service({
  inc: IDL.Func([], [IDL.Nat], []),
  set: IDL.Func([IDL.Nat], [], []),
  read: IDL.Func([], [IDL.Nat], ['query']),
  read_forgotten: IDL.Func([], [IDL.Nat], ['query']),
  missing: IDL.Func([], [], ['query']),
  missing_update: IDL.Func([], [], []),
});

export const module = readFileSync(modulePath);
export const noArguments = IDL.encode([], []);
export const hex = (bytes) => Buffer.from(bytes).toString('hex');
export const failure = (promise) => promise.then(() => null, (error) => error);
export const rejectCode = (error) => error?.code?.rejectCode ?? error?.cause?.code?.rejectCode ?? String(error);
export const connect = (identity) => HttpAgent.create({ host, identity, shouldFetchRootKey: true, retryTimes: 0 });
export const managed = (agent) => Actor.createActor(management, { agent, canisterId: 'aaaaa-aa' });

// The effective id says which subnet creates the canister. Of a subnet with a delegation it must be one of its own.
export const FIRST = 'rwlgt-iiaaa-aaaaa-aaaaa-cai';
export const created = async (ic, where = FIRST) => {
  const anywhere = { effectiveCanisterId: Principal.fromText(where) };
  const told = await ic.provisional_create_canister_with_cycles.withOptions(anywhere)({ amount: [10n ** 14n] });
  return told.canister_id;
};
export const installed = async (ic, where = FIRST) => {
  const canister_id = await created(ic, where);
  await ic.install_code.withOptions({ effectiveCanisterId: canister_id })({
    mode: { install: null }, canister_id, wasm_module: module, arg: noArguments,
  });
  return canister_id;
};
