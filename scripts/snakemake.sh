#!/usr/bin/env bash
# snakemake.sh: prints the directory of a Snakemake, with its executor for Slurm, which the tests of `libcache sweep`
# run. Both are fetched from the Python package index, as this machine's pip has it; none of it is part of this
# project.

. "$(dirname "$0")/lib.sh"

DIR=$CACHE/snakemake
RECIPE='snakemake 9.27.1, slurm 2.8.0, 1'
lock snakemake
if ! finished "$DIR" "$RECIPE" || ! "$DIR/bin/snakemake" --version >/dev/null 2>&1; then
    need test python3
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        die "needs the Debian package python3-venv; run scripts/install-packages.sh test"
    # Programs in a virtual environment name its Python by its path: it is made in its place.
    rm -rf "$DIR"
    say "fetching Snakemake"
    python3 -m venv "$DIR" >&2 || die "cannot make a virtual environment"
    "$DIR/bin/python" -m pip install --quiet --disable-pip-version-check \
        snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0 >&2 || die "pip could not install snakemake"
    printf '%s\n' "$RECIPE" >"$DIR/.recipe"
fi
printf '%s\n' "$DIR/bin"
