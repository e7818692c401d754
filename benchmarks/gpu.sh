#!/usr/bin/env bash
# Compares every definition, protocol and kind of layer on a GPU, in 64, 32 and 16 bits, with the CPU
# in float64, on the same noise; then times cells and a training epoch, and writes the page
# results/benchmarks/gpu.md. Takes at most ten minutes; ends with 1 if a value differs.
#     benchmarks/gpu.sh              benchmarks/gpu.sh --device cpu     (where there is no GPU)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -n ${VIRTUAL_ENV-} || ! -e .venv/bin/activate ]] || source .venv/bin/activate
timeout 360 python benchmarks/gpu.py "$@"
timeout 240 python benchmarks/gpu_speed.py "$@"
