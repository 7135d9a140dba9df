#!/bin/sh
# What the library is, as the linker made it: library.sh SHARED ARCHIVE HEADER CC
set -u
shared=$1
archive=$2
header=$3
cc=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
fail() {
    echo "FAILED: $1"
    failed=1
}

# Every function that the header declares, and nothing else.
"$cc" -E -P -x c "$header" | tr '\n;{' ' \n\n' | grep -v 'static inline' |
    grep -oE '\bllmt_[a-z_]+ *\(' | tr -d ' (' | sort -u >"$folder/declared"
grep -vE '^llmt_(scope_|pair_of|warning_fn)' "$folder/declared" >"$folder/public"
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort >"$folder/shared"
diff -u "$folder/public" "$folder/shared" || fail "the shared library exports other names than the header's"
nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort >"$folder/archive"
diff -u "$folder/public" "$folder/archive" || fail "the archive defines other names than the header's"

# The loader is a part of libc: thread-local memory is found through it.
needed=$(readelf -dW "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so\.6|libc\.musl-.*|libc\.so|ld-linux.*)$')
[ -z "$needed" ] || fail "it needs $needed"
readelf -dW "$shared" | grep -q 'SONAME.*\[libllmtracer\.so\.0\]' || fail "its name is not libllmtracer.so.0"
readelf -dW "$shared" | grep -q 'BIND_NOW' || fail "it binds lazily"
readelf -dW "$shared" | grep -q TEXTREL && fail "it has text relocations"
readelf -dW "$shared" | grep -q STATIC_TLS && fail "it cannot be loaded late: its thread-local memory is initial-exec"
readelf -lW "$shared" | grep -q GNU_RELRO || fail "it has no RELRO"
readelf -lW "$shared" | grep GNU_STACK | grep -q ' RW ' || fail "its stack is executable"
nm -D "$shared" | grep -q ' w llmt_preload_v1' || fail "the preloaded object's entry is not weak"

# No function is a cancellation point: of what libc cancels a thread in, there is only what is called
# where that is switched off (flush.c, warning.c).
nm -D --undefined-only "$shared" | sed 's/.* //; s/@.*//' | sort >"$folder/used"
for name in accept clock_nanosleep close connect fcntl fsync getrandom lockf msync nanosleep open \
    openat pause poll ppoll pread pselect pthread_cond_timedwait pthread_cond_wait pthread_join \
    pwrite read readv recv recvmsg select send sendmsg sigtimedwait sigwait sleep system usleep \
    wait waitid waitpid write writev; do
    grep -qxE "(__)?$name(64)?(_chk)?" "$folder/used" || continue
    case $name in
    nanosleep | poll | sigtimedwait | write) ;;
    *) fail "a thread may be cancelled in $name" ;;
    esac
done

# A program with names of its own that are ours inside.
cat >"$folder/program.c" <<'END'
#include "llm_tracer.h"
int slot_take(void), message_init(void), ring_writer_put(void), owner_init(void), table;
int slot_take(void) { return 1; }
int message_init(void) { return 2; }
int ring_writer_put(void) { return 3; }
int owner_init(void) { return 4; }
int main(void)
{
    llmt_client *client = llmt_client_new(0);
    LLMT_TRACE(trace, client, "t");
    llmt_span *span = llmt_span_begin(trace, "s", "llm", 0);
    llmt_span_end(span);
    llmt_client_close(client);
    return slot_take() + message_init() + ring_writer_put() + owner_init() - 10;
}
END
for library in "$archive" "$shared"; do
    "$cc" -Wall -Wextra -Werror -I"$(dirname "$header")" "$folder/program.c" "$library" \
        -Wl,-rpath,"$(dirname "$shared")" -o "$folder/program" || fail "no program links with $library"
    TRACING_ENABLED=false "$folder/program" || fail "a program with $library failed"
done
exit $failed
