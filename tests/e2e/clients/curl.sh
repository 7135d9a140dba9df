#!/bin/sh
# clients/curl.sh BASE [PATH BODY]...: one curl process, connections kept alive.
base=$1
shift
n=$#
first=1
while [ "$n" -gt 0 ]; do
    path=$1
    body=$2
    shift 2
    [ "$first" = 1 ] || set -- "$@" --next
    first=0
    set -- "$@" -sS --http1.1 --cacert "$CERT" -w '\n===\n' -H 'Content-Type: application/json' \
        -H "Authorization: Bearer $SECRET" -d "$body" "$base$path"
    n=$((n - 2))
done
exec curl "$@"
