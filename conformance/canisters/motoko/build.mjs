// Compiles every Motoko source of this folder to a WebAssembly module and its Candid interface, next to the source.
// With --check nothing is written; differences to the files that are there make the exit code 1.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";
import motoko from "motoko";

const folder = path.dirname(fileURLToPath(import.meta.url));
const onlyCheck = process.argv.includes("--check");

// Reads a LEB128 number; gives it and the position after it.
function unsigned(bytes, position) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[position++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, position];
  }
}

// The module without the names of its functions, which are an eighth of its size. All else stays as compiled.
function withoutNames(module) {
  const parts = [module.subarray(0, 8)];
  for (let position = 8; position < module.length; ) {
    const start = position;
    const [size, content] = unsigned(module, position + 1);
    position = content + size;
    const isName = module[start] === 0 && module.subarray(content, content + 5).toString("latin1") === "\x04name";
    if (!isName) parts.push(module.subarray(start, position));
  }
  return Buffer.concat(parts);
}

function compile(file) {
  motoko.write(file, fs.readFileSync(path.join(folder, file), "utf8"));
  const problems = motoko.check(file);
  for (const { range, message } of problems) console.error(`${file}:${range.start.line + 1}: ${message}`);
  if (problems.length > 0) process.exit(1);
  return {
    wasm: withoutNames(Buffer.from(motoko.wasm(file, "ic").wasm)),
    did: Buffer.from(motoko.candid(file)),
  };
}

motoko.loadPackage(createRequire(import.meta.url)("motoko/packages/latest/core.json"));
motoko.setPublicMetadata(["candid:service"]);
let stale = 0;
for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".mo")).sort()) {
  const output = compile(file);
  for (const [extension, content] of Object.entries(output)) {
    const target = path.join(folder, file.replace(/mo$/, extension));
    if (!onlyCheck) {
      fs.writeFileSync(target, content);
      console.log(`${path.basename(target)}: ${content.length} bytes`);
    } else if (!fs.existsSync(target) || !fs.readFileSync(target).equals(content)) {
      console.error(`${path.basename(target)} is not what ${file} gives`);
      stale = 1;
    }
  }
}
process.exit(stale);
