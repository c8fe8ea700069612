// examples/verify: another language verifies what this program makes, from the documentation alone,
// and refuses what was tampered with. The genesis is also given in other forms of the same chain.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const source = process.env.INGOT_SOURCE_DIR, build = process.env.INGOT_BUILD_DIR;
const folder = mkdtempSync(join(tmpdir(), 'ingot-verify-'));
const path = (name) => join(folder, name);
const made = spawnSync(join(build, 'make_attestation'), [folder], { encoding: 'utf8' });
assert.equal(made.status, 0, made.stderr);
const original = JSON.parse(readFileSync(path('document.attestation')));
const genesis = JSON.parse(readFileSync(path('genesis.json')));

function run(document, attestation, chain) {
  writeFileSync(path('document'), document);
  writeFileSync(path('tampered.attestation'), JSON.stringify(attestation));
  writeFileSync(path('tampered.json'), JSON.stringify(chain));
  const files = ['document', 'tampered.attestation', 'tampered.json'].map(path);
  return spawnSync(process.execPath, [join(source, 'examples/verify/verify.mjs'), ...files],
    { encoding: 'utf8' });
}

function expect(what, status, text, { document = 'release 1.0\n', spoil = () => {}, chain = genesis } = {}) {
  const attestation = structuredClone(original);
  const result = run(document, spoil(attestation) ?? attestation, chain);
  const found = `${what}: status ${result.status}\n${result.stdout}${result.stderr}`;
  assert.equal(result.status, status, found);
  assert.ok((status === 0 ? result.stdout : result.stderr).includes(text), found);
}

const flip = (hex) => (hex[0] === '0' ? '1' : '0') + hex.slice(1);
const parse = (name) => JSON.parse(readFileSync(path(name)));
try {
  expect('what all signed', 0, 'verified: power 10 of 10 at height 12, 2026-01-02T03:05:06.789Z');
  expect('a bare quorum', 0, 'verified: power 7 of 10',
    { spoil: (a) => { a.signers = a.signers.filter((s) => s.power === '3' || s.power === '4'); } });
  expect('a genesis in other forms', 0, 'verified: ', { chain: {
    chain_id: genesis.chain_id, genesis_time: '2026-01-02T04:04:05.0+01:00',
    validators: genesis.validators.map((v) => ({ power: Number(v.power),
      public_key: Buffer.from(v.public_key, 'hex').toString('base64') })).reverse() } });

  expect('another file', 1, 'not what was signed', { document: 'release 1.1\n' });
  expect('another chain', 1, 'of another chain', { chain: parse('other.json') });
  expect('another parameter', 1, 'of another chain',
    { chain: { ...genesis, parameters: { ...genesis.parameters, leader_tenure: 5 } } });
  const wrong = (member) => `the signature of ${member}`;
  const rows = [
    ['type', 'not an attestation', (a) => { a.type = 'ingot/attestation/2'; }],
    ['epoch', 'not an attestation', (a) => { a.epoch = '1'; }],
    ['genesis', 'of another chain', (a) => { a.genesis = flip(a.genesis); }],
    ['chain_id', 'of another chain', (a) => { a.chain_id = 'chain2'; }],
    ['validators', 'of another validator set', (a) => { a.validators = flip(a.validators); }],
    ['digest', 'not what was signed', (a) => { a.digest = flip(a.digest); }],
    ['id', wrong(''), (a) => { a.id = flip(a.id); }],
    ['a shorter id', wrong(''), (a) => { a.id = a.id.slice(2); }],
    ['height', wrong(''), (a) => { a.height = '13'; }],
    ['a time with a remark', 'in another form', (a) => { a.time = '2026-01-02 03:05:06.789Z (\u009b2J)'; }],
    ['a height in another form', 'in another form', (a) => { a.height = ' 0xc'; }],
    ['time', wrong(''), (a) => { a.time = '2026-01-02T03:05:06.788Z'; }],
    ['signature', wrong(original.signers[2].key),
      (a) => { a.signers[2].signature = flip(a.signers[2].signature); }],
    ['key', 'is no validator', (a) => { a.signers[0].key = flip(a.signers[0].key); }],
    ['power', 'is no validator', (a) => { a.signers[0].power = '1000'; }],
    ['a signer twice', 'or is there twice', (a) => { a.signers.push(a.signers[0]); }],
    ['too few', 'power 6 of 10 is no quorum',
      (a) => { a.signers = a.signers.filter((s) => s.power !== '4'); }],
    ['no signers', 'power 0 of 10 is no quorum', (a) => { a.signers = []; }],
    ['another payload', 'the payload is not the file',
      (a) => { a.payload = Buffer.from('release 1.1\n').toString('base64'); }],
    ['a later epoch', 'use ingot verify', () => parse('later.attestation')],
  ];
  for (const [what, text, spoil] of rows)
    expect(what, 1, text, { spoil });
  console.log(`${rows.length + 3} tampered variants refused`);
} finally {
  rmSync(folder, { recursive: true });
}
