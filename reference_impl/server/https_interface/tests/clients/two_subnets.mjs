// Two canisters, each on a subnet of its own, of which one sends the other cycles; prints what came of it as JSON.
// usage: node two_subnets.mjs core|dfinity URL MODULE EFFECTIVE-ID EFFECTIVE-ID
import { Actor, CanisterStatus, IDL, connect, identities, installed, managed, more } from './setting_up.mjs';

const pair = () => IDL.Service({
  send: IDL.Func([IDL.Principal, IDL.Nat, IDL.Nat], [IDL.Record({ accepted: IDL.Nat, offered: IDL.Nat, refunded: IDL.Nat })], []),
  report: IDL.Func([], [IDL.Record({ received: IDL.Nat })], ['query']),
});
const agent = await connect(identities.Ed25519KeyIdentity.generate(new Uint8Array(32).fill(7)));
const ic = managed(agent);
const actors = [];
const subnets = [];
const ids = [];
for (const where of more) {
  const canisterId = await installed(ic, where);
  ids.push(canisterId);
  actors.push(Actor.createActor(pair, { agent, canisterId }));
  const told = await CanisterStatus.request({ agent, canisterId, paths: ['subnet'] });
  subnets.push(told.get('subnet'));
}
const sent = await actors[0].send(ids[1], 1000n, 400n);
const keys = subnets.map((one) => Array.from(one.nodeKeys.keys()));
console.log(JSON.stringify({
  accepted: Number(sent.accepted),
  refunded: Number(sent.refunded),
  received: Number((await actors[1].report()).received),
  kept: Number((await actors[0].report()).received),
  subnets: new Set(subnets.map((one) => one.subnetId)).size,
  nodes: new Set(keys.flat()).size,
}));
