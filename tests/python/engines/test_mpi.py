"""Workers that mpirun starts."""

import ctypes
import fcntl
import shutil
import socket
import struct
import unittest

from engines import JOBS, EngineTest

N_RANKS = 4
#: On one machine of few cores, whoever the user is.
VARIABLES = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_oob_tcp_if_include": "lo",
}
#: From <linux/sched.h>, <linux/sockios.h> and <linux/if.h>.
CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1


def isolate():
    """Gives this process a network of its own, which has loopback only, since mpirun listens on all interfaces.

    Without the permission, it stays in the network of the machine.
    """
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


class Mpi:
    """The tests of an implementation."""

    #: The program, its variables, and its exit code when a rank was killed.
    mpirun, rank, size, killed = None, None, None, None
    before_start = staticmethod(isolate)

    def setUp(self):
        super().setUp()
        # It looks for its other programs beside the path that it was started with.
        mpirun = self.path("bin/mpirun")
        mpirun.write_text(f'#!/bin/sh\nexec {self.mpirun} "$@"\n')
        mpirun.chmod(0o755)
        self.environment |= VARIABLES

    def test_the_ranks(self):
        self.launch("bash", JOBS / "mpirun.sh")
        name = f"worker {{0}} of {N_RANKS} ({self.rank}={{0}}, {self.size}={N_RANKS})"
        self.assertEqual(self.names(), [name.format(i) for i in range(N_RANKS)])
        self.check_together()

    def test_a_killed_rank(self):
        held = self.hold(N_RANKS)
        process = self.start("bash", JOBS / "mpirun.sh", N_RANKS)
        for one in held:
            one.wait()
        n_kept = self.n_kept()
        held[0].kill()
        # mpirun ends the other ranks, which cannot stop by themselves.
        self.ended(process, code=self.killed)
        for one in held:
            self.assertTrue(one.has_ended())
            one.let_go()
        self.assertEqual(self.progress()["running_parts"], 0)
        self.launch("bash", JOBS / "mpirun.sh", 3)
        self.check_complete(n_restored=n_kept, n_unlogged=n_kept)
        self.launch("bash", JOBS / "mpirun.sh", 2)
        for worker in self.workers()[-2:]:
            self.assertIn("values.zarr is already complete: ", worker.log)

    def test_influence(self):
        for n in (1, 4):
            output = self.launch("mpirun", "-n", n, "influence", f"of-{n}")
            self.assertEqual(self.check_influence(output, f"of-{n}"), n)


@unittest.skipUnless(shutil.which("mpirun.openmpi"), "there is no mpirun.openmpi")
class OpenMpi(Mpi, EngineTest):
    mpirun, killed = "mpirun.openmpi", 137
    rank, size = "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"


@unittest.skipUnless(shutil.which("mpirun.mpich"), "there is no mpirun.mpich")
class Mpich(Mpi, EngineTest):
    mpirun, killed = "mpirun.mpich", 9
    rank, size = "PMI_RANK", "PMI_SIZE"
