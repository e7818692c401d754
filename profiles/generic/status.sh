#!/usr/bin/env bash
# Say in one word how job $1 stands: running (or waiting), success or failed. Where the scheduler does
# not answer, the job is taken to be running, so that its restart costs no job.
#
# For others replace the question and the words, not run here:
#   PBS   qstat -x -f "$1": job_state F has ended, well if Exit_status is 0
#   SGE   qstat -j "$1" while it runs, then qacct -j "$1": failed and exit_status
#   LSF   bjobs -noheader -o stat "$1": DONE is success, EXIT is failed
set -uo pipefail

answer=$(scontrol --oneliner show job "$1" 2>&1)
if [[ $answer =~ JobState=([A-Z_]+) ]]; then
    state=${BASH_REMATCH[1]}
elif [[ $answer == *"Invalid job id"* ]]; then
    state=FORGOTTEN # it ended minutes ago; it is made again from what it kept
else
    state=UNKNOWN
fi

case $state in
COMPLETED) echo success ;;
FAILED | CANCELLED | TIMEOUT | OUT_OF_MEMORY | NODE_FAIL | BOOT_FAIL | DEADLINE | PREEMPTED | REVOKED | FORGOTTEN)
    echo failed
    ;;
*) echo running ;;
esac
