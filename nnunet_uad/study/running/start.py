"""What the workflow starts for every job: ``python -m nnunet_uad.study.running.start FOLDER STAGE IDENTIFIER``.

Without a warm process (on a cluster, or after it was killed) the job runs here, which takes longer to start and is
otherwise the same.
"""

from __future__ import annotations

import os
import sys

from nnunet_uad.common.ending import die_with_parent
from nnunet_uad.study.running.warm_client import run_warm
from nnunet_uad.study.running.warm_names import JOB


def main() -> None:
    """Entry point of the workflow's jobs."""
    # Its parent is Snakemake or the cluster's script: nobody waits for a job without one.
    die_with_parent()
    status = run_warm(JOB, sys.argv, os.environ, forward=True)
    if status is None:
        from nnunet_uad.study.running.job import main as job

        job()
    else:
        sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
