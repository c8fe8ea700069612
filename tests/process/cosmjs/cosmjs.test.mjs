// Does @cosmjs/tendermint-rpc, the client that wallets and explorers are built on, understand a
// node? Every method that both have is called on the node at $INGOT_RPC_URL, and what the client
// decodes is checked against what the other methods and the raw HTTP interface say.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";

import tendermint from "@cosmjs/tendermint-rpc";

const { Comet38Client, HttpBatchClient, connectComet } = tendermint;

const url = process.env.INGOT_RPC_URL;
assert.ok(url, "INGOT_RPC_URL has to name a node, such as http://127.0.0.1:27651");

const client = await Comet38Client.connect(url);
const encoder = new TextEncoder();
const text = (bytes) => new TextDecoder().decode(bytes);
const hex = (bytes) => Buffer.from(bytes).toString("hex").toUpperCase();
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

// Keys of every run are new, so that the test can run again on a chain that goes on.
const run = randomUUID().slice(0, 8);
const transaction = (name, value) => encoder.encode(`${name}-${run}=${value}`);

async function get(path) {
  const response = await fetch(`${url}/${path}`);
  return { status: response.status, json: await response.json() };
}

// The node answers broadcast_tx_sync before the commit: the commit is awaited by asking.
async function committed(hash) {
  for (const end = Date.now() + 20000; Date.now() < end; ) {
    try {
      return await client.tx({ hash });
    } catch (error) {
      assert.match(error.message, /not found/);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("the transaction was not committed within 20 seconds");
}

test("the client recognises the node as CometBFT 0.38", async () => {
  const detected = await connectComet(url);
  assert.ok(detected instanceof Comet38Client);
});

test("health answers", async () => {
  assert.equal(await client.health(), null);
});

test("status decodes, also before the first block", async () => {
  const status = await client.status();
  assert.match(status.nodeInfo.version, /^0\.38\./);
  assert.equal(status.nodeInfo.id.length, 20);
  assert.equal(status.nodeInfo.other.get("tx_index"), "on");
  assert.equal(status.syncInfo.catchingUp, false);
  assert.equal(status.syncInfo.latestBlockHash.length, 32);
  assert.ok(status.syncInfo.latestBlockHeight >= 0);
  assert.equal(status.validatorInfo.pubkey.algorithm, "ed25519");
  assert.ok(status.validatorInfo.votingPower > 0n);
  assert.deepEqual(
    Buffer.from(status.validatorInfo.address),
    sha256(status.validatorInfo.pubkey.data).subarray(0, 20),
  );
});

test("broadcastTxCommit returns when the transaction is in a block, and abciQuery reads it", async () => {
  const tx = transaction("name", "satoshi");
  const result = await client.broadcastTxCommit({ tx });
  assert.equal(result.checkTx.code, 0);
  assert.equal(result.txResult.code, 0);
  assert.ok(result.height > 0);
  assert.equal(hex(result.hash), hex(sha256(tx)));

  const answer = await client.abciQuery({ path: "/key", data: encoder.encode(`name-${run}`) });
  assert.equal(answer.code, 0);
  assert.equal(text(answer.key), `name-${run}`);
  assert.equal(text(answer.value), "satoshi");
  assert.ok(answer.height >= result.height);
});

test("a key that was never written has no value", async () => {
  const answer = await client.abciQuery({ path: "/key", data: encoder.encode(`no-${run}`) });
  assert.equal(answer.value.length, 0);
});

test("broadcastTxSync admits, and tx finds the transaction in its block", async () => {
  const tx = transaction("sync", 1);
  const result = await client.broadcastTxSync({ tx });
  assert.equal(result.code, 0);
  const found = await committed(result.hash);
  assert.equal(text(found.tx), text(tx));
  assert.equal(hex(found.hash), hex(result.hash));
  assert.equal(found.result.code, 0);
  assert.equal(found.proof, undefined);
  const { block } = await client.block(found.height);
  assert.equal(text(block.txs[found.index]), text(tx));
});

test("broadcastTxAsync answers at once", async () => {
  const result = await client.broadcastTxAsync({ tx: transaction("async", 1) });
  assert.equal(result.code, 0);
  assert.equal(result.hash.length, 32);
  await committed(result.hash);
});

test("a transaction that was committed is not accepted again", async () => {
  const tx = transaction("again", 1);
  await client.broadcastTxCommit({ tx });
  await assert.rejects(client.broadcastTxSync({ tx }), /tx already exists in cache/);
});

test("blocks decode, and each names the one before it", async () => {
  const { height } = await client.broadcastTxCommit({ tx: transaction("chain", 1) });
  const { height: next } = await client.broadcastTxCommit({ tx: transaction("chain", 2) });
  assert.ok(next > height);
  const upper = await client.block(next);
  const lower = await client.block(next - 1);
  const { chainId } = await client.genesis();
  assert.equal(upper.block.header.height, next);
  assert.equal(upper.block.header.version.block, 11);
  assert.equal(upper.block.header.chainId, chainId);
  assert.equal(hex(upper.block.header.lastBlockId.hash), hex(lower.blockId.hash));
  assert.equal(hex(upper.block.header.validatorsHash), hex(lower.block.header.nextValidatorsHash));
  assert.ok(upper.block.header.time >= lower.block.header.time);
  assert.ok(upper.block.txs.some((tx) => text(tx) === `chain-${run}=2`));
  assert.deepEqual(upper.block.evidence, []);
  const latest = await client.block();
  assert.ok(latest.block.header.height >= next);
});

test("the last commit has the signatures of a quorum", async () => {
  const { height } = await client.broadcastTxCommit({ tx: transaction("commit", 1) });
  const { block } = await client.block(height > 1 ? height : height + 1);
  const { validators } = await client.validatorsAll(block.header.height - 1);
  const total = validators.reduce((sum, validator) => sum + validator.votingPower, 0n);
  const powers = new Map(validators.map((v) => [hex(v.address), v.votingPower]));
  let power = 0n;
  assert.equal(block.lastCommit.height, block.header.height - 1);
  assert.equal(block.lastCommit.signatures.length, validators.length);
  for (const entry of block.lastCommit.signatures) {
    if (entry.blockIdFlag === 2) {
      assert.equal(entry.signature.length, 64);
      power += powers.get(hex(entry.validatorAddress));
    } else {
      assert.equal(entry.blockIdFlag, 1);
      assert.equal(entry.signature, undefined);
    }
  }
  assert.ok(power * 3n > total * 2n);
  assert.ok(powers.has(hex(block.header.proposerAddress)));
});

test("the first block decodes and has no commit below it", async () => {
  await client.broadcastTxCommit({ tx: transaction("first", 1) });
  const { block } = await client.block(1);
  assert.equal(block.header.height, 1);
  assert.equal(block.header.lastBlockId, null);
  assert.equal(block.lastCommit, null);
});

test("validators are paged", async () => {
  const all = await client.validatorsAll();
  assert.ok(all.total >= 1);
  const seen = [];
  for (let page = 1; page <= all.total; page++) {
    const one = await client.validators({ per_page: 1, page });
    assert.equal(one.count, 1);
    assert.equal(one.total, all.total);
    seen.push(hex(one.validators[0].address));
  }
  assert.deepEqual(seen, all.validators.map((validator) => hex(validator.address)));
  assert.equal(new Set(seen).size, all.total);
  await assert.rejects(client.validators({ per_page: 1, page: all.total + 1 }), /page should be within/);
});

test("genesis decodes and names the same validators", async () => {
  const genesis = await client.genesis();
  const all = await client.validatorsAll(1);
  assert.ok(genesis.genesisTime.getTime() > 0);
  assert.ok(genesis.consensusParams.block.maxBytes > 0);
  assert.deepEqual(
    genesis.validators.map((validator) => hex(validator.address)).sort(),
    all.validators.map((validator) => hex(validator.address)).sort(),
  );
});

test("abciInfo tells height and state hash", async () => {
  const { height } = await client.broadcastTxCommit({ tx: transaction("info", 1) });
  const info = await client.abciInfo();
  assert.ok(info.lastBlockHeight >= height);
  assert.equal(info.lastBlockAppHash.length, 32);
  assert.ok(info.data.length > 0);
});

test("numUnconfirmedTxs decodes", async () => {
  const { total, totalBytes } = await client.numUnconfirmedTxs();
  assert.ok(total >= 0 && totalBytes >= 0);
});

test("errors of methods reach the caller with their words", async () => {
  const { syncInfo } = await client.status();
  const far = syncInfo.latestBlockHeight + 1000000;
  await assert.rejects(client.block(far), /must be less than or equal to the current blockchain height/);
  await assert.rejects(client.tx({ hash: new Uint8Array(32) }), /not found/);
  await assert.rejects(client.blockResults(1), /-32601/);
});

test("a transaction that the app refuses shows the code of its check", async () => {
  const tx = encoder.encode(`no-equal-sign-${run}`);
  const sync = await client.broadcastTxSync({ tx });
  assert.notEqual(sync.code, 0);
  assert.ok(sync.log.length > 0);
  const commit = await client.broadcastTxCommit({ tx });
  assert.notEqual(commit.checkTx.code, 0);
  assert.equal(commit.height, 0);
  await assert.rejects(client.tx({ hash: sync.hash }), /not found/);
});

test("calls of a batch are answered together", async () => {
  const batch = new HttpBatchClient(url, { dispatchInterval: 5, batchSizeLimit: 30 });
  const batched = Comet38Client.create(batch);
  try {
    const [status, info, ...commits] = await Promise.all([
      batched.status(),
      batched.abciInfo(),
      ...Array.from({ length: 20 }, (_, i) =>
        batched.broadcastTxCommit({ tx: transaction(`batch${i}`, i) }),
      ),
    ]);
    assert.match(status.nodeInfo.version, /^0\.38\./);
    assert.ok(info.lastBlockHeight >= 0);
    assert.equal(commits.filter((commit) => commit.txResult.code === 0).length, 20);
  } finally {
    batch.disconnect();
  }
});

test("GET requests work as in CometBFT's tutorials", async () => {
  const put = await get(`broadcast_tx_commit?tx="get-${run}=satoshi"`);
  assert.equal(put.status, 200);
  assert.equal(put.json.jsonrpc, "2.0");
  assert.equal(put.json.result.tx_result.code, 0);
  const read = await get(`abci_query?data="get-${run}"`);
  assert.equal(Buffer.from(read.json.result.response.value, "base64").toString(), "satoshi");
  const peers = await get("net_info");
  assert.equal(Number(peers.json.result.n_peers), peers.json.result.peers.length);
});

test("metrics are in Prometheus' text format", async () => {
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).trimEnd().split("\n");
  for (const line of lines) {
    assert.match(line, /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+]+)$/);
  }
  const height = lines.find((line) => line.startsWith("ingot_height "));
  assert.ok(Number(height.split(" ")[1]) > 0);
});
