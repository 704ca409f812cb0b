#!/usr/bin/env bash
# `make deb` made a package: this installs it here, founds an organisation in it, starts it by its socket as
# systemd would, and removes it. For a machine that may be changed, as root: tests/deb.sh PACKAGE PROGRAM,
# where PROGRAM is a `valise` that takes software keys.
set -euo pipefail
package=$(realpath -e "$1") program=$(realpath -e "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'the package does not do what it should: %s\n' "$*" >&2
  exit 1
}
[[ ! -e /var/lib/valise ]] && ! command -v valised >/dev/null || fail 'a server is here already'
here=$(mktemp -d)
server=
leave() {
  local code=$?
  [[ -z $server ]] || { kill "$server" && wait "$server"; } 2>/dev/null || true
  dpkg --purge valised >/dev/null 2>&1 || true
  userdel valise 2>/dev/null || true
  rm -rf "$here" /var/lib/valise
  exit "$code"
}
trap leave EXIT
as() {
  local who=$1
  shift
  env -i PATH="$PATH" HOME="$here" TZ=UTC NO_COLOR=1 \
    "$program" --home "$here/$who" --key "soft:$here/$who.key" "$@"
}
# The units here and no others, as systemd reads them.
units=/lib/systemd/system/valised

dpkg --install "$package"
[[ $(stat -c '%U %a' /var/lib/valise) == 'valise 700' ]] || fail 'its folder is open'
systemd-analyze verify --man=no --recursive-errors=no "$units.service" "$units.socket"
exposure=$(systemd-analyze security --offline=true --no-pager "$units.service" |
  sed -n 's/.*exposure level for valised.service: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
printf 'exposure by systemd-analyze: %d of 100, at most 15\n' "$exposure"
((exposure <= 15)) || fail 'the unit is less locked in than it was'

for port in $(shuf -i 20000-30000 -n 50); do
  (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
as alice found --org Campagne --url "https://localhost:$port" --as alice --out "$here/genesis.valise"
runuser -u valise -- valised init --data /var/lib/valise --genesis - --listen "0.0.0.0:$port" \
  --card - <"$here/genesis.valise" >"$here/card.valise"
# What the unit runs, by whom, on a socket that the one who starts it opened.
mapfile -t start < <(sed -n 's/^ExecStart=//p; s/^Environment=/--setenv=/p' "$units.service")
((${#start[@]} == 2)) || fail 'the unit starts something else'
systemd-socket-activate --listen="$port" "${start[1]}" \
  setpriv --reuid=valise --regid=valise --clear-groups ${start[0]} >"$here/said" 2>&1 &
server=$!
for _ in $(seq 100); do grep -q 'Listening on' "$here/said" && break || sleep 0.1; done
as alice join "$here/card.valise"
as alice status
grep -q 'valised: serving' "$here/said" || fail 'it was not started'
runuser -u valise -- valised healthcheck --data /var/lib/valise

kill "$server" && wait "$server" || true
server=
dpkg --remove valised
! command -v valised >/dev/null || fail 'it is still here'
[[ -s /var/lib/valise/valise.db ]] || fail 'the letters went with the package'
printf 'the package serves\n'
