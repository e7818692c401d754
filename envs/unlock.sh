#!/usr/bin/env bash
# Removes the lock that a killed Snakemake left in this folder; refuses while its owner may be alive.
# It sees this machine alone: where several machines share the folder (a cluster), call snakemake itself.
set -euo pipefail
shopt -s nullglob

locks=(.snakemake/locks/*)
((${#locks[@]})) || exit 0

# Another user's processes cannot be looked into: leave the decision to Snakemake, which refuses.
for lock in "${locks[@]}"; do
    [[ -O $lock ]] || exit 0
done

here=$(pwd -P)
for process in /proc/[0-9]*; do
    [[ $(readlink "$process/cwd" 2>/dev/null) == "$here" ]] || continue
    mapfile -d '' -t words 2>/dev/null <"$process/cmdline" || continue
    [[ ${words[0]-} =~ (python[0-9.]*|snakemake)$ ]] || continue
    for word in "${words[@]:0:4}"; do
        if [[ ${word##*/} == snakemake ]]; then
            echo "make: a snakemake started by hand is at work in this folder (process ${process#/proc/})." \
                "Wait until it ends, or stop it, and type make again." >&2
            exit 1
        fi
    done
done

echo "An earlier run was killed: removing the lock that it left."
snakemake --unlock --quiet
