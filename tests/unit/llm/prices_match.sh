#!/bin/sh
# Compares our figures with those of the npm package that config/prices.json was made of, for random
# calls: prices_match.sh PRICE_LINES_PROGRAM FOLDER. Exit code 77: skipped, node or the package is
# not to be had here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$1
folder=$2
prices=$here/../../../config/prices.json
skip() {
    echo "skipped: $1"
    exit 77
}
command -v node >/dev/null || skip "no node"
command -v npm >/dev/null || skip "no npm"
version=$(sed -n 's/^ "version": "\(.*\)",$/\1/p' "$prices")
mkdir -p "$folder"
if ! grep -q "\"version\": \"$version\"" "$folder/node_modules/@pydantic/genai-prices/package.json" 2>/dev/null; then
    echo '{"private":true}' >"$folder/package.json"
    (cd "$folder" && npm install --no-audit --no-fund --ignore-scripts --loglevel=error \
        --fetch-retries=0 --fetch-timeout=20000 "@pydantic/genai-prices@$version" >/dev/null 2>&1) ||
        skip "the package cannot be installed"
fi
cp "$here/prices_match.mjs" "$folder/prices_match.mjs"
cd "$folder"
exec node prices_match.mjs "$program" "$prices"
