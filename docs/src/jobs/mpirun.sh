#!/bin/bash
# Workers under mpirun, 4 by default: bash mpirun.sh [COUNT]
# If one of them fails, mpirun ends the others. The same command continues.
mpirun -n "${1:-4}" lazy store parts/ -o values.zarr --workers env
