"""What libsodium's ed25519 takes on this machine now, for the benchmarks that are bounded by it."""

import ctypes
import ctypes.util
import sys
import time


class Ed25519:
    def __init__(self, message_bytes):
        self.sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
        self.sodium.sodium_init()
        self.public = ctypes.create_string_buffer(32)
        self.secret = ctypes.create_string_buffer(64)
        self.sodium.crypto_sign_keypair(self.public, self.secret)
        self.message = b"m" * message_bytes
        self.length = ctypes.c_ulonglong(message_bytes)
        self.signature = ctypes.create_string_buffer(64)
        self.sign()

    def sign(self):
        self.sodium.crypto_sign_detached(self.signature, None, self.message, self.length,
                                         self.secret)

    def verify(self):
        if self.sodium.crypto_sign_verify_detached(self.signature, self.message, self.length,
                                                   self.public) != 0:
            sys.exit("libsodium does not verify its own signature")


def rates(operation, seconds=1.0):
    """How often it can be done: in a second of the clock, and in a second of processor time."""
    count, began, used = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        for _ in range(100):
            operation()
        count += 100
    return count / (time.monotonic() - began), count / (time.process_time() - used)
