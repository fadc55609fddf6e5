// Takes the HTTPS interface through its paces with an agent in JavaScript, and prints what came of it as JSON.
// usage: node agent.mjs core|dfinity URL MODULE
import {
  Actor, CanisterStatus, HttpAgent, IDL, Principal, connect, counter, failure, hex, host, identities, installed, managed,
  module, noArguments, rejectCode,
} from './setting_up.mjs';

const { DelegationChain, DelegationIdentity, ECDSAKeyIdentity, Ed25519KeyIdentity } = identities;
const user = Ed25519KeyIdentity.generate(new Uint8Array(32).fill(7));
const agent = await connect(user);
const ic = managed(agent);
const keep = { upgrade: [{ wasm_memory_persistence: [{ keep: null }] }] };
const outcome = {};

// Created, installed in one message, asked.
const canister_id = await installed(ic);
const about = { effectiveCanisterId: canister_id };
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

// A snapshot brings back what was; what a trap said is in the log.
const taken = await ic.take_canister_snapshot.withOptions(about)({ canister_id });
await actor.set(9n);
await ic.load_canister_snapshot.withOptions(about)({ canister_id, snapshot_id: taken.id });
outcome.read_after_loading = Number(await actor.read());
const listed = await ic.list_canister_snapshots.withOptions(about)({ canister_id });
outcome.snapshot_is_listed = listed.map((one) => hex(one.id)).join() === hex(taken.id);
const misled = Actor.createActor(() => IDL.Service({ set: IDL.Func([IDL.Text], [], []) }), { agent, canisterId: canister_id });
outcome.trap_reject = rejectCode(await failure(misled.set('a text')));
const { canister_log_records } = await ic.fetch_canister_logs.withOptions(about)({ canister_id });
outcome.logged = canister_log_records.map((one) => Buffer.from(one.content).toString().split(':')[0]);

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
