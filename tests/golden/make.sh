#!/usr/bin/env bash
# Makes tests/golden/VERSION: what a release leaves on people's disks, for all later releases to open.
# Once for each release, with its own programs; never again for an old one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=${1:?which version}
port=${2:-18443}
programs=$PWD/${3:-target/debug}
golden=$PWD/tests/golden/$version
[[ ! -e $golden ]] || { printf '%s is there, and stays as it is\n' "$golden" >&2; exit 1; }
work=$(mktemp -d)
cd "$work"
alice() { "$programs/valise" --home alice --key soft:alice.key "$@"; }
bob() { "$programs/valise" --home bob --key soft:bob.key "$@"; }

alice found --org Golden --url "https://localhost:$port" --as alice --out genesis.valise
"$programs/valised" init --data server --genesis genesis.valise --listen "127.0.0.1:$port" --card card.valise
"$programs/valised" serve --data server 2>server.log &
server=$!
trap 'kill "$server"' EXIT
until "$programs/valised" healthcheck --data server 2>/dev/null; do :; done
alice join card.valise
bob join card.valise --as bob || true
alice admin enrol bob --yes
bob join card.valise
printf 'a file\n' >plan.txt
alice send bob -s 'Golden letter' -m 'Tournesol.' -a plan.txt
bob sync
bob send alice -s 'Golden answer' -m 'At seven.'
alice sync
alice send bob -s 'Golden and not fetched' -m 'It waits on the server.'
alice admin log export golden.log
"$programs/valised" backup create --data server --to backups

mkdir -p "$golden"
cp -r backups/valise-* "$golden/backup"
mkdir "$golden/alice"
cp alice/store.db alice/vault "$golden/alice/"
cp alice.key golden.log card.valise genesis.valise "$golden/"
printf 'made %s\n' "$golden"
