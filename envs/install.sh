#!/usr/bin/env bash
# Makes .venv: exactly the pins of envs/requirements.txt, then this project in editable form.
# The stamp is written last, so an installation that was cut off is begun anew by the next make.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
stamp=.venv/.installed

fail() {
    echo "make: $*" >&2
    exit 1
}

command -v "$python" >/dev/null ||
    fail "$python is not there. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11"
# Where this folder's own environment is active, its Python goes with it: take the one behind it.
python=$(readlink -f "$(command -v "$python")")
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old. Install Python 3.11 or newer and name it: make PYTHON=python3.11"

# A running workflow or another installation uses .venv: wait until it has ended.
exec 9<>.make.lock
flock --nonblock 9 || {
    echo "Waiting for another make in this folder ($(cat .make.lock)) ..."
    flock 9
}
echo "process $$, installing the environment since $(date +%H:%M)" >.make.lock

place=$(pwd -P)
odd="[][:space:]'\"\\\$&;|<>()*?{}!#:\`[]"
[[ ! $place =~ $odd ]] ||
    fail "$place: Snakemake cannot run jobs in a path with this space or sign. Move the folder to a path of letters, digits, '-', '_' and '.'"
pins=$(sha256sum <envs/requirements.txt)
project=$(sha256sum <pyproject.toml)
mapfile -t had < <(cat "$stamp" 2>/dev/null || true)
if [[ ${had[0]-} == "$place" && ${had[1]-} == "$pins" && ${had[2]-} == "$project" ]]; then
    touch "$stamp"
    exit
fi
rm -f "$stamp"

if command -v uv >/dev/null; then
    tool=uv
    install=(uv pip install --python .venv/bin/python)
    builds=(--build-constraints envs/requirements.txt) # source archives are built with pinned tools
else
    tool=pip
    install=(.venv/bin/python -m pip install --disable-pip-version-check)
    builds=() # pip knows no such option before 25.3
fi
if [[ ${had[0]-} != "$place" || ${had[1]-} != "$pins" || ($tool == pip && ! -x .venv/bin/pip) ]]; then
    echo "Installing the packages that envs/requirements.txt pins into .venv with $tool: 6 GB, most of it PyTorch" \
        "and its GPU libraries. This happens once and takes a few minutes on a fast line."
    rm -rf .venv
    if [[ $tool == uv ]]; then
        uv venv --quiet --no-python-downloads --python "$python" .venv
    else
        "$python" -m venv .venv || fail "no virtual environment: install python3-venv (Debian: apt install python3-venv)"
    fi
    "${install[@]}" "${builds[@]}" --require-hashes -r envs/requirements.txt
fi
"${install[@]}" --quiet --no-deps --no-build-isolation -e .

printf '%s\n' "$place" "$pins" "$project" >"$stamp"
