#!/usr/bin/env bash
# The rules of our own that no compiler checks: which layer may include which, how long files and
# functions get, how a file begins, and words that stand for unfinished work.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0
complain() {
    printf '%s\n' "$1"
    failed=1
}

mapfile -t folders < <(ls -d include src storage app tests bench examples proto cmake 2>/dev/null)
mapfile -t sources < <(find "${folders[@]}" -name node_modules -prune -o -name '*.[ch]' -print | sort)

# The layers: what may follow the quote of an #include in each folder. Arrows point downwards only.
# Generated protobuf headers count as part of proto.
layer_rule() {
    case $1 in
    include/*) echo 'none' ;;
    src/base/*) echo 'base' ;;
    src/core/*) echo 'core|base' ;;
    src/broadcast/*) echo 'broadcast|base' ;;
    src/wire/*) echo 'wire|core|broadcast|proto|base' ;;
    src/net/*) echo 'net|base' ;;
    src/config/*) echo 'config|wire|core|proto|base' ;;
    src/attest/*) echo 'attest|config|wire|core|proto|base' ;;
    src/node/*) echo 'node|attest|net|config|wire|storage|app|broadcast|core|proto|base' ;;
    src/cli/*) echo 'cli|node|attest|net|config|wire|storage|app|broadcast|core|proto|base' ;;
    storage/*) echo 'storage|base' ;;
    app/*) echo 'app|proto|base' ;;
    *) echo '.*' ;;
    esac
}

for file in "${sources[@]}"; do
    rule=$(layer_rule "$file")
    if bad=$(grep -nE '^#include "' "$file" | grep -vE "#include \"($rule)/|\.pb-c\.h\""); then
        case $rule in
        '.*') ;;
        *) complain "$file: includes what its layer may not see ($rule): $bad" ;;
        esac
    fi

    lines=$(wc -l <"$file")
    if [ "$lines" -gt 600 ]; then
        complain "$file: $lines lines; past 600 it is probably two ideas"
    fi
    if [ "$(head -c 2 "$file")" != '/*' ]; then
        complain "$file: does not open with a comment of what it is for"
    fi
    if bad=$(grep -nE '^typedef struct[^(]*$' "$file"); then
        complain "$file: hides a struct behind a typedef: $bad"
    fi
done

# The core knows no operating system; its headers say so before the linker does.
for file in src/core/*.[ch] src/broadcast/*.[ch]; do
    [ -e "$file" ] || continue
    allowed='ingot/.*|(assert|inttypes|limits|stdbool|stddef|stdint|stdlib|string)\.h'
    if bad=$(grep -nE '^#include <' "$file" | grep -vE "<($allowed)>"); then
        complain "$file: the core includes only plain headers: $bad"
    fi
done

# A function runs from a brace in the first column to the next closing one. Tests are left out: the
# longest of them are tables of cases.
if ! awk '
    FNR == 1 { start = 0 }
    FILENAME ~ /^tests\// { next }
    /^\{/ { start = FNR }
    /^\}/ && start {
        if (FNR - start - 1 > 70) {
            printf "%s:%d: a function of %d lines; past 70 it is probably two\n",
                FILENAME, start, FNR - start - 1
            found = 1
        }
        start = 0
    }
    END { exit found }' "${sources[@]}"; then
    failed=1
fi

# The pattern is written so that it does not find itself.
mapfile -t texts < <(find "${folders[@]}" CMakeLists.txt dev \
    -name node_modules -prune -o -type f \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.mjs' -o -name '*.proto' \
    -o -name '*.cmake' -o -name '*.txt' -o -name dev \) -print)
if grep -nE 'TO[D]O|FIX[M]E' "${texts[@]}"; then
    complain 'Unfinished work is an issue, not a comment.'
fi
exit "$failed"
