#!/usr/bin/env bash
# `make deb`: valised as a Debian package, in the target folder, which is named at the end.
#
#   server/debian/build.sh [PROGRAM]     PROGRAM: a valised that is built already
set -euo pipefail
program=$(realpath -e "${1:-/dev/null}")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
if [[ $program == /dev/null ]]; then
  # valised alone: together with the client, cargo would give it the client's SQLCipher.
  RUSTUP_TOOLCHAIN=$(.ci/toolchain) cargo build --release --locked -p valise-server
  program=$target/release/valised
fi
version=$("$program" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
# A program that is linked to the C library needs one that is as new as this machine's.
needs=adduser
if ldd "$program" 2>/dev/null | grep -q libc; then
  needs+=", libc6 (>= $(dpkg-query -W -f '${Version}' libc6 | cut -d- -f1))"
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
docs=$root/usr/share/doc/valised
install -D -m 755 "$program" "$root/usr/bin/valised"
install -D -m 644 -t "$root/lib/systemd/system" server/debian/valised.{service,socket}
install -D -m 644 -t "$docs" SECURITY.md
gzip -9n <CHANGELOG.md >"$docs/changelog.gz"
{
  printf 'Licence: MPL-2.0, of which the text follows.\n\n'
  cat LICENSE
} >"$docs/copyright"
# Every setting with its default. The one in force is in the data folder.
mkdir "$root/nothing" "$docs/examples"
: >"$root/nothing/valised.toml"
env -i "$root/usr/bin/valised" config show --data "$root/nothing" >"$docs/examples/valised.toml"
rm -r "$root/nothing"
chmod 644 "$docs"/{changelog.gz,copyright,examples/valised.toml}

mkdir "$root/DEBIAN"
install -m 755 -t "$root/DEBIAN" server/debian/{postinst,prerm,postrm}
cat >"$root/DEBIAN/control" <<CONTROL
Package: valised
Version: $version
Architecture: $architecture
Maintainer: ${DEBFULLNAME:-Valise} <${DEBEMAIL:-root@localhost}>
Depends: $needs
Section: mail
Priority: optional
Installed-Size: $(du -ks --exclude=DEBIAN "$root" | cut -f1)
Description: server for end-to-end encrypted letters of an organisation
 It stores and forwards what it cannot read, and orders what the organisation's people sign with
 their security keys.
CONTROL
mkdir -p "$target/deb"
file=$target/deb/valised_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$file" >/dev/null
printf '%s\n' "$file"
