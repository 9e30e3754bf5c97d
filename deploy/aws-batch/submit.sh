#!/bin/bash
# Submits a campaign of SIZE shards. Needs the job definition registered with an
# image and an EFS file system of yours:
#
#   aws batch register-job-definition --cli-input-json file://deploy/aws-batch/job-definition.json
#   deploy/aws-batch/submit.sh QUEUE nightly-2026-11-27 100 100000
#
# and afterwards, on a machine that has the file system: weir merge /data/weir-out/campaign/NAME
set -eu
queue=$1 campaign=$2 size=$3 seeds=$4
aws batch submit-job --job-name "weir-$campaign" --job-queue "$queue" --job-definition weir-campaign \
	--array-properties "size=$size" --parameters "campaign=$campaign,seeds=$seeds"
