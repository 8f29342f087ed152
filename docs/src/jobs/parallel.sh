#!/bin/bash
# Workers under GNU parallel, 4 by default: bash parallel.sh [COUNT]
# The exit code is the number of workers that failed. The same command continues.
n=${1:-4}
seq 0 $((n - 1)) |
    parallel --jobs "$n" lazy store parts/ -o values.zarr --workers "{}/$n"
