// Takes an instance through its paces with PicJS, which starts the server, and prints what came of it as JSON.
// usage: POCKET_IC_BIN=… node with_pic_js.mjs MODULE
import { readFileSync } from 'node:fs';
import { IcpFeaturesConfig, PocketIc, PocketIcServer, SubnetStateType, createIdentity } from '@dfinity/pic';
import { Actor, HttpAgent } from '@icp-sdk/core/agent';
import { IDL } from '@icp-sdk/core/candid';
import { Principal } from '@icp-sdk/core/principal';

const wasm = new Uint8Array(readFileSync(process.argv[2]));
const idlFactory = () => IDL.Service({
  inc: IDL.Func([], [IDL.Nat], []),
  set: IDL.Func([IDL.Nat], [], []),
  read: IDL.Func([], [IDL.Nat], ['query']),
  missing: IDL.Func([], [], ['query']),
});
const outcome = {};
const failure = (promise) => promise.then(() => null, (error) => String(error.message));

const server = await PocketIcServer.start();
const fresh = { state: { type: SubnetStateType.New } };
const pic = await PocketIc.create(server.getUrl(), { nns: fresh, application: [fresh, fresh] });
const user = createIdentity('user');
const sender = user.getPrincipal();
const [first, second] = await pic.getApplicationSubnets();
outcome.subnets = (await pic.getTopology().then((told) => Object.values(told))).map((one) => one.type).sort();

const { canisterId, actor } = await pic.setupCanister({ idlFactory, wasm, sender, targetSubnetId: second.id });
outcome.isOnSubnet = (await pic.getCanisterSubnetId(canisterId)).toText() === second.id.toText() && first.id !== second.id;
outcome.increased = Number(await actor.inc());
outcome.missing = (await failure(actor.missing())).includes('CanisterMethodNotFound');
await pic.upgradeCanister({ canisterId, wasm, sender, upgradeModeOptions: { skip_pre_upgrade: [], wasm_memory_persistence: [{ keep: null }] } });
outcome.readAfterUpgrade = Number(await actor.read());

// A section that says nothing makes the module too large for a message.
const length = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...length(number >> 7)]);
const size = 2_200_000;
const large = Buffer.concat([wasm, Uint8Array.of(0, ...length(8 + size), 7), Buffer.from('padding'), new Uint8Array(size)]);
const inChunks = await pic.setupCanister({ idlFactory, wasm: large, sender, targetSubnetId: first.id });
outcome.increasedInChunks = Number(await inChunks.actor.inc());

const deferred = pic.createDeferredActor(idlFactory, canisterId);
const increase = await deferred.inc();
outcome.readBeforeRound = Number(await actor.read());
await pic.tick();
outcome.increasedLater = Number(await increase());

const before = await pic.getCyclesBalance(canisterId);
outcome.added = (await pic.addCycles(canisterId, 10n ** 20n)) - before === 10n ** 20n;
const now = await pic.getTime();
await pic.advanceTime(60_000);
outcome.advanced = (await pic.getTime()) - now;
await pic.setStableMemory(canisterId, new Uint8Array([1, 2, 3]));
outcome.stableMemory = Array.from((await pic.getStableMemory(canisterId)).slice(0, 4));
await pic.stopCanister({ canisterId, sender });
outcome.stopped = (await failure(actor.inc())).includes('CanisterStopped');
await pic.startCanister({ canisterId, sender });

const host = `http://127.0.0.1:${await pic.makeLive()}`;
const agent = await HttpAgent.create({ host, identity: user, shouldFetchRootKey: true });
const live = Actor.createActor(idlFactory, { agent, canisterId });
outcome.increasedLive = Number(await live.inc());
outcome.readLive = Number(await live.read());
await pic.stopLive();
outcome.unknown = (await failure(pic.queryCall({
  canisterId: Principal.fromText('rno2w-sqaaa-aaaaa-aaacq-cai'), method: 'read', sender,
}))).includes('CanisterNotFound');
outcome.rootKeyLength = (await pic.getPubKey((await pic.getNnsSubnet()).id)).length;
const features = { ii: IcpFeaturesConfig.DefaultConfig };
outcome.featureFails = (await failure(PocketIc.create(server.getUrl(), { application: [fresh], icpFeatures: features }))) !== null;
await pic.tearDown();
await server.stop();
console.log(JSON.stringify(outcome));
