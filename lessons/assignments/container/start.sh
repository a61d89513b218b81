#!/bin/sh
# Starts a kernel in a container that has no network, sees no files of the teacher's, and may use
# 4 GB, one core and 256 processes. Jupyter talks to it through sockets in the folder of its
# connection file, the only one that is shared.
set -eu
connection=$1
folder=$(dirname "$connection")
exec "${COURSE_CONTAINER_ENGINE:-docker}" run --rm --init \
    --network=none --memory=4g --memory-swap=4g --cpus=1 --pids-limit=256 \
    --read-only --tmpfs=/tmp:exec --cap-drop=ALL --security-opt=no-new-privileges \
    --user="$(id -u):$(id -g)" --env=HOME=/tmp --workdir=/tmp \
    --env=COURSE_CHECK_SECONDS --env=COURSE_GRADING_SEED --env=COURSE_NUM_THREADS \
    --env=OPENBLAS_NUM_THREADS --env=OMP_NUM_THREADS \
    --volume="$folder:$folder" \
    neural-network-course \
    python -m ipykernel_launcher -f "$connection" --HistoryManager.hist_file=:memory:
