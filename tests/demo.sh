#!/usr/bin/env bash
# `make demo`: an organisation in a minute, with the real programs. It is a check too: every answer is
# looked at, and it ends with an error if one is not what it says.
#
# Each person has a folder (VALISE_HOME) and a security key of their own (VALISE_KEY). Here the key is
# a file, so that nobody has to touch anything. A published valise has no software keys.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
RUSTUP_TOOLCHAIN=$(.ci/toolchain)
export CARGO_TARGET_DIR RUSTUP_TOOLCHAIN
printf 'Building (the first time takes minutes) …\n'
# One at a time, or cargo shares the client's SQLCipher with the server.
cargo build --profile quick --locked --quiet -p valise-server --bin valised
cargo build --profile quick --locked --quiet -p valise-client --bin valise --features soft-key

began=$SECONDS
here=$(mktemp -d)
server=
leave() {
  local code=$?
  [[ -z $server ]] || { kill "$server" && wait "$server"; } 2>/dev/null || true
  ((code == 0)) || printf '\nThe demo failed with %d. What the server said:\n%s\n' \
    "$code" "$(tail -n 20 "$here/valised.log" 2>/dev/null)" >&2
  rm -rf "$here"
}
trap leave EXIT
mkdir -m 700 "$here"/{bin,home,run}
cp "$CARGO_TARGET_DIR"/quick/{valise,valised} "$here/bin"
PATH=$here/bin:$PATH
cd "$here"
# Nothing of a person's own settings, and a port that nobody uses.
unset "${!VALISE@}"
export HOME=$here/home XDG_RUNTIME_DIR=$here/run TZ=UTC LC_ALL=C.UTF-8
export VALISE_FORMAT=human NO_COLOR=1

for port in $(shuf -i 20000-50000 -n 50); do
  (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done

say() { printf '\n\n## %s\n\n' "$*"; }
note() { printf '   %s\n' "$@"; }
fail() {
  printf '\nthe demo expected something else: %s\n' "$*" >&2
  exit 1
}

# does WHO CODE COMMAND …: shows the command and its answer, which stays in $answer, and wants this
# exit code. It reads the file $from.
does() {
  local who=$1 wanted=$2 code=0
  shift 2
  printf '%s$%s%s\n' "$who" "$(shown "$@")" "${from:+ < $from}"
  answer=$(VALISE_HOME=$here/$who VALISE_KEY=soft:$here/$who.key "$@" 2>&1 \
    <"${from:-/dev/null}") || code=$?
  [[ -z $answer ]] || sed 's/^/   /' <<<"$answer"
  ((code == 0)) || printf '   [exit code %d]\n' "$code"
  ((code == wanted)) || fail "exit code $wanted, not $code"
}

# A command as one would type it.
shown() {
  local word
  for word; do
    [[ $word =~ ^[A-Za-z0-9_./:@=,-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    printf ' %s' "$word"
  done
}

has() { grep -qF -- "$1" <<<"$answer" || fail "an answer with “$1”"; }

# serve WHO DATA: starts the server of a data folder, and waits until it serves.
serve() {
  printf '%s$ valised serve --data %s &\n' "$1" "$2"
  valised serve --data "$2" >>valised.log 2>&1 &
  server=$!
  for _ in $(seq 100); do
    if valised healthcheck --data "$2" >/dev/null 2>&1; then return; fi
    kill -0 "$server" 2>/dev/null || fail 'a running server'
    read -rt 0.1 <> <(:) || true
  done
  fail 'a healthy server within ten seconds'
}

stop() {
  kill "$server"
  wait "$server" || fail 'a server that stops cleanly'
  server=
}

# How often any file of the server holds these bytes.
hits() { { grep -raoF -- "$1" data || true; } | wc -l; }

secret='tournesol'

say 'Alice founds the organisation. Her security key signs its first entry.'
does alice 0 valise found --org Campagne --url "https://localhost:$port" --as alice --out genesis.valise

say 'The server gets that file, and makes the organisation card. It has no admin password: there is none.'
does server 0 valised init --data data --genesis genesis.valise --listen "127.0.0.1:$port" --card card.valise
note "$(head -c 400 card.valise)"
serve server data

say 'Alice joins with the card.'
does alice 0 valise join card.valise

say 'Bob joins with the same card. It only lets him ask: he reads six words to Alice, by voice.'
does bob 11 valise join card.valise --as bob
bobs_words=$answer
does alice 0 valise admin requests
has bob
does alice 0 valise admin enrol bob --yes
does bob 0 valise join card.valise

say 'Alice writes to Bob, and Bob is offline. So the letter waits on the server.'
printf 'The bus leaves at 7, platform 3.\nThe word at the gate is %s.\n' "$secret" >note.txt
printf 'alice$ cat note.txt\n'
sed 's/^/   /' note.txt
from=note.txt does alice 0 valise send bob -s "Bus, and $secret"

say 'What the server has of it. Whoever steals the machine now has this, and no more.'
sqlite3 -readonly data/valise.db \
  "select '   a message of ' || size_bytes || ' bytes: ' || lower(hex(substr(body, 1, 28))) || ' …'
   from message order by message_id"
printf '   the word “%s” in all its files: %d hits\n' "$secret" "$(hits "$secret")"
printf '   the name “bob” in all its files: %d hits\n' "$(hits bob)"
note 'It knows who there is and who gets a letter, and not a word of it.'
(($(hits "$secret") == 0)) || fail 'no letter in the clear on the server'
(($(hits bob) > 0)) || fail 'a search that can find something'

say 'What Bob reads.'
does bob 0 valise sync
does bob 0 valise list
does bob 0 valise read 1
has "$secret"
has alice

say 'Bob answers, Alice reads it.'
does bob 0 valise reply 1 -m 'I will be there.'
does alice 0 valise sync
does alice 0 valise thread @last
has 'I will be there.'
does alice 0 valise who @last
has bob

say 'Both have read everything, so the server has no letter left. There is no archive to steal.'
does bob 0 valise sync
left=$(sqlite3 -readonly data/valise.db 'select count(*) from message')
printf '   letters on the server: %d\n' "$left"
((left == 0)) || fail 'no letter on the server'

say 'Attack 1: Eve has the card, the network and a security key of her own. She says that she is Bob.'
does eve 11 valise join card.valise --as bob
[[ $answer != "$bobs_words" ]] || fail 'other words than the real Bob had'
note 'Other words than the real Bob read out. They give nothing, and a careless admin gives no more:'
does eve 4 valise sync
does alice 1 valise admin enrol bob --yes
has 'the name bob was used before'

say 'Attack 2: Mallory owns the network, and puts a server of his own in the place of the real one.'
stop
does mallory 0 valise found --org Campagne --url "https://localhost:$port" --as alice --out false.genesis
does mallory 0 valised init --data false --genesis false.genesis --listen "127.0.0.1:$port" --card false.card
serve mallory false
does bob 6 valise sync
does bob 6 valise join false.card
stop
note 'Bob was not asked to log in, and nothing was sent. The touch opened his own letters.'

printf '\nDone in %d s, after the build.\n' $((SECONDS - began))
