#!/bin/sh
# clients/wget.sh BASE [PATH BODY]...
base=$1
shift
while [ $# -gt 0 ]; do
    wget -q -O - --ca-certificate="$CERT" --header 'Content-Type: application/json' \
        --header "x-api-key: $SECRET" --post-data "$2" "$base$1" || exit $?
    printf '\n===\n'
    shift 2
done
