"""The former place of :mod:`nnunet_uad.study.running.job`: scripts may import the same module from here."""

from __future__ import annotations

import sys

from nnunet_uad.study.running import job

sys.modules[__name__] = job
