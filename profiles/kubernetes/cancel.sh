#!/usr/bin/env bash
# Cancel the Jobs that are named: what Ctrl-C in Snakemake does.
where=(${SHARPNESS_NAMESPACE:+--namespace "$SHARPNESS_NAMESPACE"})
exec kubectl "${where[@]}" delete job --ignore-not-found --wait=false "$@"
