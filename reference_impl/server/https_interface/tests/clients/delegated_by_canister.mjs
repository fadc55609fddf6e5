// Creates and calls a canister as a user whose key is that of a canister, which delegated to a session key, as Internet
// Identity does; prints what came of it as JSON.
// usage: node delegated_by_canister.mjs core|dfinity URL MODULE CHAIN-IN-JSON SEED-OF-SESSION-KEY
import {
  Actor, CanisterStatus, connect, counter, failure, identities, installed, managed, more,
} from './setting_up.mjs';

const [chain, seed] = more;
const { DelegationChain, DelegationIdentity, Ed25519KeyIdentity } = identities;
const session = (number) => Ed25519KeyIdentity.generate(new Uint8Array(32).fill(number));
const user = (number) => DelegationIdentity.fromDelegation(session(number), DelegationChain.fromJSON(chain));
const identity = user(Number(seed));
const agent = await connect(identity);
const canisterId = await installed(managed(agent));
const actor = Actor.createActor(counter, { agent, canisterId });
const told = await CanisterStatus.request({ agent, canisterId, paths: ['controllers'] });
const another = Actor.createActor(counter, { agent: await connect(user(Number(seed) + 1)), canisterId });
console.log(JSON.stringify({
  principal: identity.getPrincipal().toText(),
  controllers: told.get('controllers').map(String),
  increased: Number(await actor.inc()),
  read: Number(await actor.read()),
  another_session_fails: (await failure(another.inc())) !== null,
}));
