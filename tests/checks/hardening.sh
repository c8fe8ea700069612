#!/usr/bin/env bash
# Reads back from what was built that it was hardened: flags that are dropped on the way to the
# linker look the same in a build log as flags that work.
#
# usage: hardening.sh PROGRAM SHARED_LIBRARY STATIC_LIBRARY
#
# expect calls its arguments, which shellcheck does not see.
# shellcheck disable=SC2317
set -euo pipefail

failed=0
expect() { # what, command ...
    local what=$1
    shift
    if ! "$@" >/dev/null; then
        echo "$binary: expected $what"
        failed=1
    fi
}
# grep reads all of its input: with -q it would end early and the writer would fail.
has() { # pattern, command ...
    local pattern=$1
    shift
    "$@" 2>/dev/null | grep -E "$pattern"
}
has_not() { ! has "$@"; }
for binary in "$1" "$2"; do
    expect "position-independent code" has 'Type: +DYN' readelf -h "$binary"
    expect "a read-only relocation segment" has 'GNU_RELRO' readelf -lW "$binary"
    expect "all symbols bound at start (full RELRO)" has 'BIND_NOW|FLAGS.*NOW' readelf -dW "$binary"
    expect "a stack that is not executable" has 'GNU_STACK.* RW ' readelf -lW "$binary"
    expect "no segment both writable and executable" has_not 'LOAD.* RWE ' readelf -lW "$binary"
    expect "no relocation in code" has_not 'TEXTREL' readelf -dW "$binary"
    expect "the stack protector" has '__stack_chk_fail' nm -D --undefined-only "$binary"
    expect "fortified libc calls" has '__(v?snprintf|memcpy|read|fprintf)_chk' \
        nm -D --undefined-only "$binary"
    expect "no library search path" has_not 'RPATH|RUNPATH' readelf -dW "$binary"
done
binary=$1
expect "a position-independent executable" has 'FLAGS_1.* PIE' readelf -dW "$binary"

# The C library's start files of Debian 12 carry no note of control-flow protection, so the linker
# drops it from whole programs. Our own code is looked at before that.
if [ "$(uname -m)" = x86_64 ]; then
    binary=$3
    expect "control-flow protection" has 'x86 feature: IBT, SHSTK' readelf -nW "$binary"
fi
exit "$failed"
