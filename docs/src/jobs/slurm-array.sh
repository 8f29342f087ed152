#!/bin/bash
# A Slurm array in which each task is a worker: sbatch slurm-array.sh
#SBATCH --array=0-63
#SBATCH --time=01:00:00
# A task whose time ends in two minutes receives SIGUSR1.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

srun lazy store parts/ -o values.zarr --workers env --stop-signal USR1
code=$?
# The worker has stopped before the array is complete: the task goes back to the queue.
if [ $code -eq 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit $code
