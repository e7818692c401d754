#!/usr/bin/env bash
# Submit one job. Snakemake calls this with what the job needs and prints nothing but the last line's
# number to it. To use another scheduler, replace the last command; all else may stay.
#
#   SHARPNESS_CPU_PARTITION   partition or queue of jobs without a graphics card (its default if unset)
#   SHARPNESS_GPU_PARTITION   partition or queue of jobs with one
#   SHARPNESS_SUBMIT_OPTIONS  anything else, such as --account=lab; split at spaces
set -euo pipefail
name=$1 cores=$2 megabytes=$3 minutes=$4 gpus=$5 script=$6

logs=.snakemake/scheduler
mkdir -p "$logs"

options=(--job-name="$name" --output="$logs/$name-%j.log")
options+=(--cpus-per-task="$cores" --mem="${megabytes}M" --time="$minutes")
partition=${SHARPNESS_CPU_PARTITION-}
if ((gpus > 0)); then
    partition=${SHARPNESS_GPU_PARTITION-}
    options+=(--gres="gpu:$gpus")
fi
[[ -z $partition ]] || options+=(--partition="$partition")
read -ra more <<<"${SHARPNESS_SUBMIT_OPTIONS-}"

# Slurm. The same for others, not run here; `time` is $(printf '%d:%02d:00' $((minutes / 60)) $((minutes % 60))):
#   PBS   qsub -N "$name" -j oe -o "$logs" -q "$partition" \
#             -l "select=1:ncpus=$cores:mem=${megabytes}mb:ngpus=$gpus" -l "walltime=$time" "$script"
#   SGE   qsub -terse -cwd -N "$name" -j y -o "$logs" -q "$partition" -pe smp "$cores" \
#             -l "h_vmem=$((megabytes / cores))M" -l "h_rt=$time" "$script"
#   LSF   bsub -J "$name" -o "$logs/$name-%J.log" -q "$partition" -n "$cores" -M "${megabytes}MB" \
#             -W "$minutes" -gpu "num=$gpus" "$script" | grep -o '[0-9]\+' | head -n 1
exec sbatch --parsable "${options[@]}" "${more[@]}" "$script"
