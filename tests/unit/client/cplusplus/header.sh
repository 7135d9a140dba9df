#!/bin/sh
# llm_tracer.h compiles without a warning in every language version and compiler there is:
#     header.sh FOLDER_OF_THE_HEADER
# A compiler that is not installed, or does not know a version, is named and left out.
here=$(CDPATH= cd -- "$(dirname "$0")" && pwd)
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror"
c="-Wstrict-prototypes -Wmissing-prototypes"
cxx="-Wold-style-cast -Wnon-virtual-dtor -Wzero-as-null-pointer-constant -Wdeprecated"
done=0
bad=0

# try COMPILER STANDARD FILE FLAG...
try() {
    compiler=$1
    standard=$2
    file=$3
    shift 3
    if ! "$compiler" "-std=$standard" -E -x "${language}" /dev/null >/dev/null 2>&1; then
        echo "left out: $compiler -std=$standard"
        return
    fi
    # shellcheck disable=SC2086
    if "$compiler" "-std=$standard" $warnings "$@" -fsyntax-only "-I$include" "$here/$file"; then
        done=$((done + 1))
    else
        echo "FAILED: $compiler -std=$standard $*"
        bad=1
    fi
}

include=$1
[ -f "$include/llm_tracer.h" ] || { echo "usage: header.sh FOLDER_OF_THE_HEADER" >&2; exit 2; }
language=c
for standard in c11 gnu11 c17 c2x; do
    for compiler in gcc clang; do
        # shellcheck disable=SC2086
        try "$compiler" "$standard" header.c $c
    done
done
language=c++
for standard in c++11 c++14 c++17 c++20; do
    for compiler in g++ clang++; do
        # shellcheck disable=SC2086
        try "$compiler" "$standard" header.cpp $cxx
        # shellcheck disable=SC2086
        try "$compiler" "$standard" header.cpp $cxx -fno-exceptions -fno-rtti
    done
done
echo "$done combinations are clean"
[ "$done" -gt 0 ] && exit "$bad"
