#!/bin/sh
# Make the virtual environment $1 and install the hashed lock file $2 into it, then this project (editable).
# uv comes first, by its own hash from the same lock file, because it installs the rest in seconds; where it
# cannot (a mirror it does not understand), pip does the same work from the same file.
set -eu
venv=$1 lock=$2 python=${PYTHON:-python3}

say() { printf '%s\n' "setup: $*" >&2; }

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
    say "needs Python 3.11 to 3.13, but $python is $("$python" -V 2>&1). Name another with: make PYTHON=/path/to/python3.11"
    exit 1
}
if [ ! -x "$venv/bin/pip" ]; then
    say "creating $venv with $("$python" -V 2>&1)"
    "$python" -m venv "$venv" || {
        say "could not create $venv. On Debian and Ubuntu: apt-get install python3-venv"
        exit 1
    }
fi
if [ ! -x "$venv/bin/uv" ]; then
    part=$(mktemp "$venv/uv.XXXXXX")
    trap 'rm -f "$part"' EXIT
    awk '/^[^ #]/ { keep = /^uv==/ } keep' "$lock" >"$part"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$part"
fi
say "installing $lock"
VIRTUAL_ENV=$(cd "$venv" && pwd) "$venv/bin/uv" pip install --quiet --require-hashes -r "$lock" || {
    say "uv could not install it (above); trying pip"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
}
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --offline --no-deps --no-build-isolation --editable .
say "$venv is ready"
