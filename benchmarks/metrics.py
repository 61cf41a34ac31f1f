"""Streaming average precision against scikit-learn's, in one run: time, memory, error.

python benchmarks/metrics.py --voxels 100000000
"""

from __future__ import annotations

import argparse
import resource
import threading
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram

KINDS = {"easy, prevalence 2 %": (0.02, 3.0), "skewed, prevalence 1e-5": (1e-5, 3.0)}


def made(prevalence: float, shift: float, voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive scores (voxels,) of lesion and other voxels that overlap, and which are lesion."""
    rng = np.random.default_rng(0)
    labels = rng.random(voxels, dtype=np.float32) < prevalence
    scores = rng.standard_normal(voxels, dtype=np.float32)
    scores[labels] += np.float32(shift)
    return np.abs(scores, out=scores), labels


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Peak:
    """The highest memory above that at the start, sampled every 2 ms."""

    def __enter__(self) -> Peak:
        self.start = self.highest = resident()
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.running:
            self.highest = max(self.highest, resident())
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self.running = False
        self.thread.join()

    @property
    def megabytes(self) -> float:
        """What was added."""
        return (self.highest - self.start) / 1e6


def streaming(scores: np.ndarray, labels: np.ndarray) -> float:
    """Average precision of scores (any shape) from a histogram."""
    histogram = ScoreHistogram()
    histogram.add(scores, labels)
    return average_precision(Curve.of(histogram))


def main() -> None:
    """Measure both and print time, memory and difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=int, default=10**8)
    voxels = parser.parse_args().voxels
    streaming(*made(0.1, 1.0, 10**5))
    for name, (prevalence, shift) in KINDS.items():
        scores, labels = made(prevalence, shift, voxels)
        with Peak() as peak:
            start = time.perf_counter()
            ours = streaming(scores, labels)
            fast = time.perf_counter() - start
        start = time.perf_counter()
        reference = average_precision_score(labels, scores)
        slow = time.perf_counter() - start
        print(
            f"{name}: AP {ours:.5f}, scikit-learn {reference:.5f}, error {abs(ours - reference):.1e}; "
            f"{fast:.2f} s against {slow:.1f} s, {slow / fast:.0f} times faster; {peak.megabytes:.0f} MB extra"
        )


if __name__ == "__main__":
    main()
