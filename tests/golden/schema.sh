#!/usr/bin/env bash
# Makes tests/golden/schema/sqlite-N.sql, once, after migration N was written: the dump before it, migrated by
# the server's own program. Never again for an old one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

number=${1:?which number}
valised=$PWD/${2:-target/debug}/valised
schemas=$PWD/tests/golden/schema
new=$schemas/sqlite-$number.sql
[[ ! -e $new ]] || { printf '%s is there, and stays as it is\n' "$new" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp "$schemas"/{log.key,tls.crt,tls.key,valised.toml} "$work/"
sqlite3 "$work/valise.db" <"$schemas/sqlite-$((number - 1)).sql"
"$valised" migrate run --data "$work"
sqlite3 "$work/valise.db" .dump >"$new"
printf 'made %s\n' "$new"
