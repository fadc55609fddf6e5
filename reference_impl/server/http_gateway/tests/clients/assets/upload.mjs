// Uploads the files of a folder into an asset canister, as its controller, and prints what the canister then lists as JSON.
// usage: node upload.mjs URL CANISTER FOLDER SEED
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HttpAgent } from '@dfinity/agent';
import { AssetManager } from '@dfinity/assets';
import { Ed25519KeyIdentity } from '@dfinity/identity';
import { Principal } from '@dfinity/principal';

const [, , host, canister, folder, seed] = process.argv;
const identity = Ed25519KeyIdentity.generate(new Uint8Array(32).fill(Number(seed)));
const agent = await HttpAgent.create({ host, identity, shouldFetchRootKey: true, retryTimes: 0 });
const manager = new AssetManager({ canisterId: Principal.fromText(canister), agent });
const batch = manager.batch();
for (const fileName of readdirSync(folder)) {
  await batch.store(new Uint8Array(readFileSync(join(folder, fileName))), { fileName });
}
await batch.commit();
const listed = await manager.list();
console.log(JSON.stringify(Object.fromEntries(listed.map(({ key, encodings }) => [key, Number(encodings[0].length)]))));
