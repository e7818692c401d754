#!/usr/bin/env bash
# Cancel the jobs whose numbers are given: what Ctrl-C in Snakemake does. PBS, SGE: qdel; LSF: bkill.
exec scancel "$@"
