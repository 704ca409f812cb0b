#!/usr/bin/env bash
# `make image`: builds the image, and runs README's commands for hosting with it: an organisation is
# founded, a letter goes between two clients, everything is restarted, and the letter that waited arrives.
# Size, memory and start are compared with what we promise.
#
# It asks no container registry: where the Dockerfile's base image is missing, it makes one out of Debian's
# packages and this machine's toolchain. Where no Docker daemon runs it starts one, in a network of its own.
# Needs root, and Docker with compose or leave to install Debian's. Layers stay in the target folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source=$PWD
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
RUSTUP_TOOLCHAIN=$(.ci/toolchain)
export CARGO_TARGET_DIR RUSTUP_TOOLCHAIN
work=$CARGO_TARGET_DIR/image
base=$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)
# What we promise: MB of the image, MB of a server that nobody asks anything, ms until it serves.
size_max=40 idle_max=30 start_max=500
here=$(mktemp -d)
daemon=
export COMPOSE_PROJECT_NAME=valise-check DOCKER_BUILDKIT=1
unset "${!VALISE@}"

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
fail() {
  printf 'the image does not do what it should: %s\n' "$*" >&2
  exit 1
}
# bar WHAT VALUE MAX UNIT
bar() {
  printf '%-24s %5d %s, at most %d\n' "$1" "$2" "$4" "$3"
  (($2 <= $3)) || fail "$1: $2 $4"
}

# start_daemon UNSHARE… -- OPTION…: a Docker daemon that changes neither this machine's packet filter nor
# its forwarding. To build it has this machine's network, to run one of its own.
start_daemon() {
  local prefix=()
  while [[ $1 != -- ]]; do
    prefix+=("$1")
    shift
  done
  shift
  export DOCKER_HOST=unix://$here/docker.sock
  "${prefix[@]}" /usr/sbin/dockerd --data-root "$work/data" --exec-root "$work/exec" \
    --pidfile "$here/pid" -H "$DOCKER_HOST" --iptables=false --ip6tables=false --ip-forward=false \
    --ip-masq=false "$@" >>"$work/dockerd.log" 2>&1 &
  daemon=$!
  for _ in $(seq 120); do docker info >/dev/null 2>&1 && return || sleep 0.5; done
  fail "no daemon: $(tail -n 5 "$work/dockerd.log")"
}
stop_daemon() {
  kill "$daemon" && wait "$daemon" || true
  umount "$work/exec/netns/default" 2>/dev/null || true
  daemon=
}
leave() {
  local code=$?
  if ((code)); then compose logs --tail 20 2>/dev/null || true; fi
  compose down --volumes --timeout 2 >/dev/null 2>&1 || true
  [[ -z $daemon ]] || stop_daemon
  rm -rf "$here"
  exit "$code"
}
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}
# In the network where containers are.
near() {
  if [[ -n $daemon ]]; then nsenter --net="/proc/$daemon/ns/net" "$@"; else "$@"; fi
}

trap leave EXIT
# `tests/image.sh PROGRAM` takes that client. A published one has no software keys.
program=${1:-}
if [[ -z $program ]]; then
  step 'the two clients, which hold software keys'
  cargo build --locked --quiet -p valise-client --bin valise --features soft-key
  program=$CARGO_TARGET_DIR/debug/valise
fi
cp "$program" "$here/valise"

if ! docker info >/dev/null 2>&1; then
  mkdir -p "$work"
  missing=()
  for package in debootstrap docker-compose docker.io iproute2; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      missing+=("$package")
  done
  if ((${#missing[@]})); then
    step "installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
      --no-install-recommends "${missing[@]}" >/dev/null
  fi
  # Beside its daemon. Another client of that name may have no way to build.
  PATH=/usr/bin:$PATH
  step 'a Docker daemon, to build'
  start_daemon -- --bridge=none
fi

if ! docker image inspect "$base" >/dev/null 2>&1; then
  step "the base image $base"
  # It mounts the kernel's folders for as long as it works.
  umount "$work"/base/{proc,sys} 2>/dev/null || true
  rm -rf "$work/base"
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,musl-tools \
    bookworm "$work/base" >"$work/debootstrap.log"
  (
    export RUSTUP_HOME=$work/base/usr/local/rustup CARGO_HOME=$work/base/usr/local/cargo
    mkdir -p "$CARGO_HOME/bin"
    cp "$(command -v rustup)" "$CARGO_HOME/bin/"
    for tool in cargo rustc rustdoc; do ln -sf rustup "$CARGO_HOME/bin/$tool"; done
    unset RUSTUP_TOOLCHAIN
    pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$source/rust-toolchain.toml")
    "$CARGO_HOME/bin/rustup" -q toolchain install "$pinned" --profile minimal \
      -t "$(uname -m)-unknown-linux-musl" --no-self-update 2>"$work/rustup.log"
    "$CARGO_HOME/bin/rustup" -q default "$pinned" 2>>"$work/rustup.log"
  )
  # Where the way out goes through an authority of its own.
  cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
  rm -rf "$work"/base/var/{cache/apt/archives/*.deb,lib/apt/lists/*}
  path=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  tar -C "$work/base" --numeric-owner -c . | docker import --change \
    "ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=$path" - "$base" >/dev/null
  rm -rf "$work/base"
fi

step 'the image'
# By this machine's network, so that cargo reaches its registry.
docker build --progress=plain --network host -t valise "$source" >"$here/build.log" 2>&1 ||
  fail "$(tail -n 40 "$here/build.log")"
size=$(docker image inspect valise --format '{{.Size}}')
bar 'the image' "$((size / 1000000))" "$size_max" MB
docker run --rm --network none --entrypoint /bin/sh valise -c true 2>/dev/null && fail 'it has a shell'

if [[ -n $daemon ]]; then
  step 'a Docker daemon, to run'
  stop_daemon
  start_daemon unshare --net sh -c 'ip link set lo up && exec "$@"' sh --
fi
for port in $(shuf -i 20000-30000 -n 50); do
  (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
export VALISE_PORT=$port COMPOSE_FILE=$source/compose.yaml
cd "$here"

as() {
  local who=$1
  shift
  near env -i PATH="$PATH" HOME="$here" TZ=UTC NO_COLOR=1 \
    ./valise --home "$here/$who" --key "soft:$here/$who.key" "$@"
}
container() { docker inspect "$id" --format "$1"; }
healthy() {
  for _ in $(seq 150); do
    # Sooner than the image's own interval.
    compose exec -T valise valised healthcheck >/dev/null 2>&1 && return || sleep 0.2
  done
  fail "never healthy: $(container '{{.State.Status}}')"
}
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(container '{{.State.Pid}}')/status"; }

step 'what compose.yaml has beside the one container'
# Its images come from a registry, which is not asked here: what they run, the tests run without containers.
for profile in postgres nats proxy; do compose --profile "$profile" config -q; done
compose --env-file "$source/server/scale.env" --profile scale config >scale.yaml
for service in valise valise-two postgres nats proxy; do
  grep -q "^  $service:" scale.yaml || fail "no $service among what serves together"
done
[[ $(grep -c 'VALISED_DATABASE: postgres://' scale.yaml) == 2 ]] || fail 'two servers, one database'

step 'an organisation, by the commands of README'
as alice found --org Campagne --url "https://localhost:$port" --as alice --out genesis.valise
mapfile -t commands < <(grep '^docker compose [^-]' "$source/README.md")
((${#commands[@]} >= 4)) || fail 'README says less than it did'
for command in "${commands[@]}"; do
  printf '$ %s\n' "$command"
  case $command in
    'docker compose build'*) ;; # as above
    *) eval "${command/docker compose/compose}" ;;
  esac
done
grep -q '^valise organisation card' card.valise || fail 'no card'
id=$(compose ps -q valise)
healthy
docker top "$id" -eo pid,uid,args
[[ $(docker top "$id" -eo pid,uid | awk 'NR == 2 { print $2 }') == 65532 ]] || fail 'another user'
[[ $(container '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}') == 'true [ALL]' ]] ||
  fail 'compose.yaml does not lock it in'

step 'a letter between two people'
as alice join card.valise
as bob join card.valise --as bob && fail 'bob is in without an admin'
as alice admin enrol bob --yes
as bob join card.valise
as alice send bob -s 'Point presse' -m 'At nine, in the small room.' --yes
as bob sync
as bob read 1 | grep -q 'the small room' || fail 'the letter did not arrive'
as bob send alice -s Re -m 'This one waits through a restart.' --yes
printf 'from nothing to a letter: %d s\n' "$SECONDS"

step 'restarted'
began=$(date +%s%N)
compose stop
code=$(container '{{.State.ExitCode}}')
printf 'stopped in %d ms, exit code %d\n' $((($(date +%s%N) - began) / 1000000)) "$code"
((code == 0)) || fail "it ended with $code"
docker cp "$id:/data" data >/dev/null
docker cp "$id:/usr/local/bin/valised" valised >/dev/null
compose start
healthy
as alice sync
as alice read 2 | grep -q 'waits through a restart' || fail 'a letter was lost'
for _ in $(seq 200); do
  [[ $(container '{{.State.Health.Status}}') == healthy ]] && break || sleep 0.2
done
[[ $(container '{{.State.Health.Status}}') == healthy ]] || fail 'Docker does not find it healthy'
bar 'an idle server' "$(($(rss) / 1000))" "$idle_max" MB

# The program out of the image, on a copy of the data, without what Docker needs for itself.
began=$(date +%s%N)
VALISED_LISTEN=127.0.0.1:0 ./valised serve --data data >said 2>/dev/null &
server=$!
until grep -q serving said; do kill -0 "$server" && sleep 0.005; done
start=$((($(date +%s%N) - began) / 1000000))
kill "$server"
bar 'until it serves' "$start" "$start_max" ms

if compose logs valise 2>&1 | grep -qE 'alice|bob|Campagne|presse'; then fail 'names in the logs'; fi
printf '\nthe image serves: %d s\n' "$SECONDS"
