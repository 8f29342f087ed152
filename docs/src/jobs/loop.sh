#!/bin/bash
# Workers in the background of a shell, 4 by default: bash loop.sh [COUNT]
# The exit code is 0 if no worker failed. The same command continues.
n=${1:-4}
workers=()
for ((i = 0; i < n; i++)); do
    LAZY_WORKER=$i/$n lazy store parts/ -o values.zarr --workers env &
    workers+=($!)
done
code=0
for worker in "${workers[@]}"; do
    wait "$worker" || code=$?
done
exit $code
