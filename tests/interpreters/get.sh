#!/usr/bin/env bash
# get.sh FOLDER: brings CPython 3.14 and 3.15, ordinary and free-threaded, into a folder: FOLDER/3.14/bin/python3.14 and so on.
# What is there already stays. Nothing is compiled, and no root is needed.
#
# The programs come from PyPI: freeze_core holds CPython with all its extension modules, linked into a program that starts
# frozen applications, of which interpreter.py makes an ordinary interpreter. The rest of the library comes from Debian.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

fail() {
  echo "get.sh: $*" >&2
  exit 1
}

[ "$(uname -m)" = x86_64 ] || fail 'it knows programs for x86-64 only'
recipe=$(cat "$here/get.sh" "$here/interpreter.py" | sha256sum)
if [ "$(cat "$folder/recipe" 2>/dev/null)" = "$recipe" ]; then
  exit 0
fi
rm -rf "${folder:?}"/{recipe,parts,3.14,3.14t,3.15,3.15t}

# Debian's packages, whatever the machine's own distribution is.
parts=$folder/parts
mkdir -p "$parts"/{lists/partial,cache,packages,root}
mirror=$(awk '/^URIs:.*debian$/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
mirror=${mirror:-http://deb.debian.org/debian}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keys" ] || fail "Debian's keys are missing: install debian-archive-keyring"
# A mirror may be older than its index says it should be.
echo "deb [signed-by=$keys check-valid-until=no] $mirror sid main" >"$parts/sources.list"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$parts/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::State::lists="$parts/lists" -o Dir::Cache="$parts/cache" -o APT::Sandbox::User=root
  -o APT::Update::Error-Mode=any)
"${apt[@]}" update || fail "no index of Debian's packages from $mirror"
(cd "$parts/packages" && "${apt[@]}" download libpython3.{14,15}-{minimal,stdlib,dev}) ||
  fail "no packages of Python's library from $mirror"
for package in "$parts"/packages/*.deb; do
  dpkg-deb -x "$package" "$parts/root"
done

# Environments with packages are made with each one's own pip.
python3 -m pip --disable-pip-version-check install -q --root-user-action=ignore --target "$parts/pip" pip || fail 'no pip from PyPI'

for version in 3.14 3.14t 3.15 3.15t; do
  number=${version//[.t]/}
  abi=cp${version//./}
  python3 -m pip --disable-pip-version-check download -q --no-deps --only-binary=:all: --implementation cp \
    --python-version "$number" --abi "$abi" --platform manylinux2014_x86_64 -d "$parts/$version" freeze_core==0.8.1 ||
    fail "no freeze_core for $abi from PyPI"
  python3 "$here/interpreter.py" "$parts/$version"/*.whl "$parts/root/usr" "$folder/$version"
  mkdir -p "$folder/$version/lib/python$version/site-packages"
  cp -r "$parts"/pip/* "$folder/$version/lib/python$version/site-packages/"
  program=$folder/$version/bin/python$version
  "$program" -c 'import ctypes, pip, sqlite3, ssl, threading' || fail "Python $version does not work"
  # Else every test would compile what it imports: not all of them let Python keep that.
  "$program" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$folder/$version/lib/python$version"
done
rm -rf "$parts"
echo "$recipe" >"$folder/recipe"
