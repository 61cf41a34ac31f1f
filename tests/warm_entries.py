"""What tests let warm processes do; written to the descriptor, since pytest has replaced ``sys.stdout``."""

import atexit
import multiprocessing
import os
import signal
import time


def leave_a_worker():
    """End like a training that was killed: the workers of its loaders go on."""
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(120,))
    worker.start()
    os.write(1, f"{worker.pid}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def say_goodbye():
    """End as commands do."""
    atexit.register(os.write, 1, b"goodbye\n")
