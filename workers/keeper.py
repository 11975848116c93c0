"""What must be back at once is kept: a process that has read our modules starts the one that works, by fork.

To read our modules takes Python two seconds of a processor, and whoever waits for the switchboard would wait
for them. So the keeper reads them once, opens nothing, and forks. When the worker is ended by a signal
(out of memory, a fault in a library, kill -9) the next one works within milliseconds. When it ends by itself,
or dies again at once, so does the keeper, and the supervisor decides. No worker outlives its keeper: the
kernel ends it (`PR_SET_PDEATHSIG`, prctl(2)), so that two never conduct the same switch.
"""

import ctypes
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Final

from core import log

TRUSTED_S: Final = 5.0  # who dies sooner would only die again
_PR_SET_PDEATHSIG: Final = 1
_WISHES: Final = (signal.SIGTERM, signal.SIGINT)
_log = log.get(__name__)


def keep(work: Callable[[], None]) -> int:
    """Let a process work until it ends by itself, again and again when a signal ends it.

    Args:
        work: what it does; nothing of it may have begun, and no thread may run.

    Returns:
        the exit status to end with; to the one that works this never returns.
    """
    # what is shared stays shared: a collection would write to every page of it
    gc.collect()
    gc.freeze()
    wished = False
    child = 0

    def wish(number: int, _frame: FrameType | None) -> None:
        nonlocal wished
        wished = True
        if child:
            os.kill(child, number)

    before = {one: signal.signal(one, wish) for one in _WISHES}
    try:
        while True:
            # a wish to end waits until there is somebody to pass it on to
            signal.pthread_sigmask(signal.SIG_BLOCK, _WISHES)
            began, keeper = time.monotonic(), os.getpid()
            child = os.fork()
            if not child:
                _become(work, keeper)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WISHES)
            _, status = os.waitpid(child, 0)
            child = 0
            code = os.waitstatus_to_exitcode(status)
            if code >= 0 or wished or time.monotonic() - began < TRUSTED_S:
                return code if code >= 0 else 128 - code
            _log.error("started-again", signal=-code)
    finally:
        for one, what in before.items():
            signal.signal(one, what)


def _become(work: Callable[[], None], keeper: int) -> None:
    """Be the one that works; does not return."""
    code = 1
    try:
        for one in _WISHES:
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WISHES)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == keeper:  # it may have died before the kernel knew whom to tell
            work()
            code = 0
    except SystemExit as wanted:
        code = wanted.code if isinstance(wanted.code, int) else 1
    except BaseException:  # noqa: BLE001 - the doorway of a process: told, and it ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
