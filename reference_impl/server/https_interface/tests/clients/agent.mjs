// Takes the HTTPS interface through its paces with an agent in JavaScript, and prints what came of it as JSON.
// usage: node agent.mjs core|dfinity URL MODULE
import { readFileSync } from 'node:fs';

const [, , flavour, host, modulePath] = process.argv;
const packages = flavour === 'core' ? '@icp-sdk/core' : '@dfinity';
const { Actor, CanisterStatus, HttpAgent } = await import(`${packages}/agent`);
const { IDL } = await import(`${packages}/candid`);
const { DelegationChain, DelegationIdentity, ECDSAKeyIdentity, Ed25519KeyIdentity } = await import(`${packages}/identity`);
const { Principal } = await import(`${packages}/principal`);

const blob = IDL.Vec(IDL.Nat8);
const id = IDL.Record({ canister_id: IDL.Principal });
const chunk = IDL.Record({ hash: blob });
const mode = IDL.Variant({
  install: IDL.Null,
  upgrade: IDL.Opt(IDL.Record({ wasm_memory_persistence: IDL.Opt(IDL.Variant({ keep: IDL.Null, replace: IDL.Null })) })),
});
const code = { mode, arg: blob };
const management = () => IDL.Service({
  provisional_create_canister_with_cycles: IDL.Func([IDL.Record({ amount: IDL.Opt(IDL.Nat) })], [id], []),
  install_code: IDL.Func([IDL.Record({ ...code, canister_id: IDL.Principal, wasm_module: blob })], [], []),
  upload_chunk: IDL.Func([IDL.Record({ canister_id: IDL.Principal, chunk: blob })], [chunk], []),
  install_chunked_code: IDL.Func(
    [IDL.Record({ ...code, target_canister: IDL.Principal, chunk_hashes_list: IDL.Vec(chunk), wasm_module_hash: blob })],
    [], [],
  ),
  canister_status: IDL.Func([id], [IDL.Record({ module_hash: IDL.Opt(blob) })], []),
});
const counter = () => IDL.Service({
  inc: IDL.Func([], [IDL.Nat], []),
  set: IDL.Func([IDL.Nat], [], []),
  read: IDL.Func([], [IDL.Nat], ['query']),
  read_forgotten: IDL.Func([], [IDL.Nat], ['query']),
  missing: IDL.Func([], [], ['query']),
  missing_update: IDL.Func([], [], []),
});
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const failure = (promise) => promise.then(() => null, (error) => error);
const rejectCode = (error) => error?.code?.rejectCode ?? error?.cause?.code?.rejectCode ?? String(error);

const connect = (identity) => HttpAgent.create({ host, identity, shouldFetchRootKey: true, retryTimes: 0 });
const user = Ed25519KeyIdentity.generate(new Uint8Array(32).fill(7));
const agent = await connect(user);
const ic = Actor.createActor(management, { agent, canisterId: 'aaaaa-aa' });
const module = readFileSync(modulePath);
const noArguments = IDL.encode([], []);
const keep = { upgrade: [{ wasm_memory_persistence: [{ keep: null }] }] };
const outcome = {};

// Created, installed in one message, asked.
// The effective id says which subnet creates the canister. Of a subnet with a delegation it must be one of its own.
const anywhere = { effectiveCanisterId: Principal.fromText('rwlgt-iiaaa-aaaaa-aaaaa-cai') };
const { canister_id } = await ic.provisional_create_canister_with_cycles.withOptions(anywhere)({ amount: [10n ** 14n] });
const about = { effectiveCanisterId: canister_id };
await ic.install_code.withOptions(about)({ mode: { install: null }, canister_id, wasm_module: module, arg: noArguments });
const actor = Actor.createActor(counter, { agent, canisterId: canister_id });
outcome.increased = Number(await actor.inc());
outcome.read = Number(await actor.read());

// Upgraded from chunks: what is kept is there, what is forgotten is not.
const half = module.length >> 1;
const hashes = [];
for (const part of [module.subarray(0, half), module.subarray(half)]) {
  hashes.push(await ic.upload_chunk.withOptions(about)({ canister_id, chunk: part }));
}
const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', module));
await ic.install_chunked_code.withOptions(about)({
  mode: keep, target_canister: canister_id, chunk_hashes_list: hashes, wasm_module_hash: digest, arg: noArguments,
});
outcome.read_after_upgrade = Number(await actor.read());
outcome.forgotten_after_upgrade = Number(await actor.read_forgotten());
const { module_hash } = await ic.canister_status.withOptions(about)({ canister_id });
outcome.told_hash_is_right = hex(module_hash[0]) === hex(digest);

// Read from the certified state.
const read = await CanisterStatus.request({
  agent, canisterId: canister_id, paths: ['time', 'controllers', 'module_hash', 'candid', 'subnet'],
});
outcome.controllers_are_right = read.get('controllers').map(String).join() === user.getPrincipal().toText();
outcome.certified_hash_is_right = read.get('module_hash') === hex(digest);
outcome.has_candid = read.get('candid').includes('read_forgotten');
outcome.has_time = Math.abs(Number(read.get('time')) - Date.now()) < 60_000;
outcome.node_keys = read.get('subnet').nodeKeys.size;

// Refused: a query and an update of a method that is not there, a canister that is not there.
outcome.query_reject = rejectCode(await failure(actor.missing()));
outcome.update_reject = rejectCode(await failure(actor.missing_update()));
const nobody = Actor.createActor(counter, { agent, canisterId: Principal.fromText('7tjcv-pp777-77776-qaaaa-cai') });
outcome.nobody_reject = rejectCode(await failure(nobody.inc()));

// Delegated: a session key signs in the user's stead, for this canister alone; another one has expired.
const session = await ECDSAKeyIdentity.generate();
const delegate = async (expiry, targets) => {
  const chain = await DelegationChain.create(user, session.getPublicKey(), expiry, { targets });
  return connect(DelegationIdentity.fromDelegation(session, chain));
};
const soon = new Date(Date.now() + 600_000);
const delegated = await delegate(soon, [canister_id]);
const viaSession = Actor.createActor(counter, { agent: delegated, canisterId: canister_id });
await viaSession.set(41n);
outcome.increased_by_session = Number(await viaSession.inc());
outcome.read_by_session = Number(await viaSession.read());
const elsewhere = Actor.createActor(counter, { agent: await delegate(soon, [Principal.managementCanister()]), canisterId: canister_id });
outcome.elsewhere_fails = (await failure(elsewhere.inc())) !== null;
const expired = Actor.createActor(counter, { agent: await delegate(new Date(Date.now() - 60_000)), canisterId: canister_id });
outcome.expired_fails = (await failure(expired.inc())) !== null;

// Another root key: nothing that this instance certifies is believed.
const wrong = agent.rootKey.slice();
wrong[wrong.length - 1] ^= 1;
const stranger = await HttpAgent.create({ host, identity: user, rootKey: wrong, retryTimes: 0 });
outcome.wrong_root_key_fails = (await failure(Actor.createActor(counter, { agent: stranger, canisterId: canister_id }).inc())) !== null;

console.log(JSON.stringify(outcome));
