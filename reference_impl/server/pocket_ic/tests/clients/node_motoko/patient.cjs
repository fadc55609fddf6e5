// Whatever a test of node-motoko may take, it may take forty times as long here: the compiler, run by jest, needs more
// than the fifteen seconds of its tests on a machine that is busy. Nothing else is changed.
const TIMES = 40;
const USUAL = 5_000;
jest.setTimeout(USUAL * TIMES);
for (const name of ['test', 'it', 'beforeAll', 'afterAll']) {
  const given = globalThis[name];
  const patient = (...words) => given(...words.map((word) => (typeof word === 'number' ? word * TIMES : word)));
  globalThis[name] = Object.assign(patient, given);
}
