"""What this machine can do at best, for the line that stands beside every table of figures."""

import ctypes
import os
import tempfile
import time

from ed25519 import Ed25519, rates

FILE_BYTES = 8 * 1024 * 1024
WRITE_BYTES = 4096
WRITES = 300
HASH_BYTES = 65536
SIGNED_BYTES = 128


def sync_latency_ms():
    """p50 and p99 of a write of 4 KiB into room that the file already has, and fdatasync: the least
    that any durable vote costs. In the temporary folder, where the validators' data is."""
    times = []
    with tempfile.NamedTemporaryFile(prefix="ingot-bench-") as file:
        file.write(bytes(FILE_BYTES))
        file.flush()
        os.fsync(file.fileno())
        block = os.urandom(WRITE_BYTES)
        for number in range(WRITES):
            began = time.monotonic()
            os.pwrite(file.fileno(), block, number * WRITE_BYTES % FILE_BYTES)
            os.fdatasync(file.fileno())
            times.append(1e3 * (time.monotonic() - began))
    times.sort()
    return {"p50": round(times[WRITES // 2], 3), "p99": round(times[WRITES * 99 // 100], 3)}


def hash_rate(sodium):
    """BLAKE2b-256 of long messages, bytes a second on one processor."""
    digest = ctypes.create_string_buffer(32)
    message = ctypes.create_string_buffer(HASH_BYTES)
    length = ctypes.c_ulonglong(HASH_BYTES)

    def operation():
        sodium.crypto_generichash(digest, 32, message, length, None, 0)

    return HASH_BYTES * rates(operation, 0.3)[0]


def processor_model():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def limits():
    """Measured here and now, while nothing of ours runs."""
    signatures = Ed25519(SIGNED_BYTES)
    return {
        "processors": os.cpu_count(),
        "model": processor_model(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "ed25519_signs_per_s": round(rates(signatures.sign, 0.3)[0]),
        "ed25519_verifies_per_s": round(rates(signatures.verify, 0.3)[0]),
        "blake2b_bytes_per_s": round(hash_rate(signatures.sodium)),
        "fdatasync_ms": sync_latency_ms(),
    }


def limits_text(machine):
    sync = machine["fdatasync_ms"]
    return (f"machine: {machine['processors']} processors ({machine['model']}), "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB; on one of them "
            f"{machine['ed25519_verifies_per_s']:,} ed25519 verifications/s, {machine['ed25519_signs_per_s']:,} signatures/s, BLAKE2b "
            f"{machine['blake2b_bytes_per_s'] / 1e6:,.0f} MB/s;\n"
            f"         fdatasync of 4 KiB {sync['p50']:.2f} ms at the median, {sync['p99']:.2f} ms at p99")
