#!/usr/bin/env bash
# pycachesim.sh: prints the path of a Python that has pycachesim, an independent simulator of cache hierarchies, which
# the tests compare the model with. Its source (AGPL-3.0) is fetched from the Python package index, as this machine's
# pip has it, and compiled on the spot; none of it is part of this project.

. "$(dirname "$0")/lib.sh"

DIR=$CACHE/pycachesim
RECIPE='pycachesim 0.3.1 1'
lock pycachesim
if ! finished "$DIR" "$RECIPE" || ! "$DIR/bin/python" -c 'import cachesim.backend' 2>/dev/null; then
    need test python3 gcc
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        die "needs the Debian package python3-venv; run scripts/install-packages.sh test"
    [ -f "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
        die "needs the Debian package python3-dev; run scripts/install-packages.sh test"
    workspace "$DIR"
    say "fetching and compiling pycachesim"
    python3 -m venv "$WORK" >&2 || die "cannot make a virtual environment"
    echo 'pycachesim==0.3.1 --hash=sha256:1d84977a2b8873e537b9e589f484faec42a9323bb6526ce279d0798a54f35c5a' \
        >"$WORK/requirements.txt"
    "$WORK/bin/python" -m pip install --quiet --disable-pip-version-check --no-binary pycachesim --require-hashes \
        -r "$WORK/requirements.txt" >&2 || die "pip could not install pycachesim"
    publish "$WORK" "$DIR" "$RECIPE"
fi
printf '%s\n' "$DIR/bin/python"
