#!/bin/bash
# One Slurm job, with a worker in each task of its step: sbatch slurm-step.sh
#SBATCH --ntasks=64
#SBATCH --time=01:00:00
# If the time ends in two minutes, all workers receive SIGUSR1.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

# A worker that ends must not end the others, whatever the cluster's configuration says.
srun --wait=0 --kill-on-bad-exit=0 \
    lazy store parts/ -o values.zarr --workers env --stop-signal USR1
code=$?
# Workers have stopped before the array is complete: the job goes back to the queue.
if [ $code -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
