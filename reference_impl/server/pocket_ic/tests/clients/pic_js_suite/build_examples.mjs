// Compiles the Motoko examples of PicJS in this folder, and makes the declarations that their tests import.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const motoko = require('motoko').default;
const programs = {
  clock: 'clock/src/main.mo',
  counter: 'counter/src/main.mo',
  google_search: 'google_search/src/main.mo',
  multicanister: 'multicanister/src/main.mo',
  phonebook: 'multicanister/phonebook/phonebook.mo',
  superheroes: 'multicanister/superheroes/superheroes.mo',
};
const sources = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
  const path = join(folder, entry.name);
  return entry.isDirectory() ? sources(path) : path.endsWith('.mo') ? [path] : [];
});

motoko.loadPackage(require('motoko/packages/latest/core.json'));
for (const path of sources('examples')) motoko.write(path, readFileSync(path, 'utf8'));
mkdirSync('.icp/cache/artifacts', { recursive: true });
for (const [name, main] of Object.entries(programs)) {
  writeFileSync(`.icp/cache/artifacts/${name}`, motoko.wasm(`examples/${main}`, 'ic').wasm);
}
for (const name of ['clock', 'counter', 'google_search', 'multicanister']) {
  const options = ['--did-file', `examples/${name}/${name}.did`, '--out-dir', `examples/${name}`];
  execFileSync('npx', ['icp-bindgen', ...options, '--actor-disabled', '--force'], { stdio: 'inherit' });
}
