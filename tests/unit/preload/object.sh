#!/bin/sh
# What the object is, as the linker made it: object.sh OBJECT EXPORTS
set -u
object=$1
exports=$2
failed=0
fail() {
    echo "FAILED: $1"
    failed=1
}

nm -D --defined-only "$object" | awk '{ print $3 }' | sort >"${TMPDIR:-/tmp}/exports.$$"
grep -v '^#' "$exports" | sort | diff -u - "${TMPDIR:-/tmp}/exports.$$" ||
    fail "the exported symbols are not those of $exports"
rm -f "${TMPDIR:-/tmp}/exports.$$"

undefined=$(nm -D --undefined-only "$object" | awk '{ print $1 " " $2 }' | sort | tr '\n' ';')
allowed="w __errno_location;w dl_iterate_phdr;w environ;w getauxval;w gnu_get_libc_version;"
[ "$undefined" = "$allowed" ] || fail "undefined symbols: $undefined"

readelf -dW "$object" | grep -q NEEDED && fail "it needs a library"
readelf -dW "$object" | grep -q TEXTREL && fail "it has text relocations"
readelf -dW "$object" | grep -q 'FLAGS_1.*NODELETE' || fail "it can be unloaded"
readelf -dW "$object" | grep -q 'BIND_NOW' || fail "it binds lazily"
readelf -dW "$object" | grep -q 'VERNEED' && fail "it names versions of a library"
readelf -lW "$object" | grep -q GNU_RELRO || fail "it has no RELRO"
readelf -lW "$object" | grep 'GNU_STACK' | grep -q ' RW ' || fail "its stack is executable"
readelf -lW "$object" | awk '$1 == "LOAD" && /RWE/ { bad = 1 } END { exit bad }' ||
    fail "a segment is writable and executable"
readelf -lW "$object" | grep -q GNU_EH_FRAME || fail "cancelled threads cannot unwind through it"
readelf -rW "$object" | grep -Eq 'DTPMOD|TLSDESC' && fail "thread-local memory is not initial-exec"
exit $failed
