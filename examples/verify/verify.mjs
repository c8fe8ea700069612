// Checks offline that a quorum of a chain's first validators signed a file; Node.js 18, no packages.
//   node verify.mjs FILE FILE.attestation genesis.json      exit status 0: verified, 1: refused, 2: usage
// docs/attestation.md says what every byte is. After a change of the validators use `ingot verify`.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const end = (status, why) => (console.error(why), process.exit(status));
const check = (holds, why) => holds || end(1, `refused: ${why}`);
process.argv.length === 5 || end(2, 'expected: node verify.mjs FILE FILE.attestation genesis.json');
const [file, attestation, chain] = process.argv.slice(2).map((path) => readFileSync(path));
const a = JSON.parse(attestation), g = JSON.parse(chain);
const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const hex = (text) => Buffer.from(text, 'hex');
const u64 = (number) => Buffer.from(BigUint64Array.of(BigInt(number)).buffer); // little-endian machines
const u32 = (number) => u64(number).subarray(0, 4);
const filled = (bytes, size) => Buffer.concat([Buffer.from(bytes)], size); // up with zeros
const sized = (text) => Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)]);
const keyOf = (text) => Buffer.from(text, text.length === 64 ? 'hex' : 'base64');

// The chain's name is SHA-256 of its canonical genesis, whatever the JSON looks like.
const p = { leader_tenure: 4, replay_window_blocks: 256, block_payload_bytes_max: 1048576, ...g.parameters };
p.transaction_bytes_max ??= Math.min(262144, p.block_payload_bytes_max - 4);
const [, time, fraction = '', zone] = /^(.{19})(?:\.(\d+))?(.+)$/.exec(g.genesis_time);
const ns = BigInt(Date.parse(time + zone)) * 1000000n + BigInt(fraction.padEnd(9, '0'));
const validators = g.validators.map((v) => ({ key: keyOf(v.public_key), power: BigInt(v.power) }))
  .sort((one, other) => Buffer.compare(one.key, other.key));
const members = [u32(validators.length), ...validators.flatMap((v) => [v.key, u64(v.power)])];
const genesis = sha256(Buffer.from('ingot/genesis/1'), sized(g.chain_id), u64(ns), sized(g.app ?? 'signing'),
  u32(p.leader_tenure), u32(p.replay_window_blocks), u32(p.block_payload_bytes_max), u32(p.transaction_bytes_max),
  p.administrator ? Buffer.concat([Buffer.of(1), keyOf(p.administrator)]) : Buffer.of(0), ...members);
const set = sha256(filled('ingot/attest-set/1', 24), u64(0), ...members);

check(a.type === 'ingot/attestation/1', 'not an attestation');
check(a.epoch === '0', 'not an attestation of the first validators: use ingot verify');
check(a.chain_id === g.chain_id && a.genesis === genesis.toString('hex'), 'of another chain');
check(a.validators === set.toString('hex'), 'of another validator set');
check(a.height === `${BigInt(a.height)}` && a.time === new Date(a.time).toJSON(), 'height or time in another form');
check(a.digest === sha256(file).toString('hex'), 'the file is not what was signed');
check(a.payload === undefined || Buffer.from(a.payload, 'base64').equals(file), 'the payload is not the file');
const statement = Buffer.concat([filled('ingot/attest/1', 24), genesis, set, Buffer.of(a.id.length / 2),
  filled(hex(a.id), 64), hex(a.digest), u64(a.height), u64(Date.parse(a.time))]);
let power = 0n;
for (const signer of a.signers) {
  const at = validators.findIndex((v) => v.key.toString('hex') === signer.key && v.power === BigInt(signer.power));
  check(at >= 0, `${JSON.stringify(signer.key)} is no validator of this power, or is there twice`);
  const [{ key, power: own }] = validators.splice(at, 1); // each counts once
  const der = Buffer.concat([hex('302a300506032b6570032100'), key]); // SubjectPublicKeyInfo, RFC 8410
  check(verify(null, statement, createPublicKey({ key: der, format: 'der', type: 'spki' }), hex(signer.signature)),
    `the signature of ${signer.key} is wrong`);
  power += own;
}
const total = g.validators.reduce((sum, v) => sum + BigInt(v.power), 0n);
check(power >= (2n * total) / 3n + 1n, `power ${power} of ${total} is no quorum`);
console.log(`verified: power ${power} of ${total}${a.height === '0' ? '' : ` at height ${a.height}, ${a.time}`}`);
