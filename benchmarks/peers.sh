#!/bin/sh
# Installs what the benchmarks compare with into a virtual environment of its own, outside the repository, and prints its
# interpreter. Usage: FEAST_PYTHON=$(benchmarks/peers.sh [folder]) python -m benchmarks
set -eu
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/ml-platform/peers}
packages="feast[duckdb]==0.67.0 cassandra-driver==3.30.0"
if [ "$(cat "$folder/.installed" 2>/dev/null)" != "$packages" ]; then
    "${PYTHON:-python3}" -m venv "$folder" >&2
    # shellcheck disable=SC2086
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check $packages >&2
    echo "$packages" > "$folder/.installed"
fi
echo "$folder/bin/python"
