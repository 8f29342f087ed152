"""The program ``lazy``."""

from __future__ import annotations

import signal
import sys

from . import _lazy_chunks as _core


def main() -> None:
    """Run the program with the arguments of this process."""
    # The program has handlers of its own, and a second signal ends it at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_core.run_program(sys.argv))
