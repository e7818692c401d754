#!/usr/bin/env bash
# Say in one word how Job $1 stands: running (or waiting), success or failed. Where the cluster does not
# answer, the job is taken to be running.
set -uo pipefail

where=(${SHARPNESS_NAMESPACE:+--namespace "$SHARPNESS_NAMESPACE"})
true_conditions='{.status.conditions[?(@.status=="True")].type}'
answer=$(kubectl "${where[@]}" get job "$1" --output=jsonpath="$true_conditions" 2>&1)

case " $answer " in
*" Complete "*) echo success ;;
*" Failed "* | *NotFound*) echo failed ;;
*) echo running ;;
esac
