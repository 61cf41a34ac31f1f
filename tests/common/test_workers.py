import pytest

from nnunet_uad.common import workers
from nnunet_uad.common.workers import background_processes, cores, free_memory, most_processes, process_limit

GIB = 1024**3


@pytest.fixture
def machine(monkeypatch):
    def of(cores, memory):
        monkeypatch.setattr(workers, "cores", lambda: cores)
        monkeypatch.setattr(workers, "free_memory", lambda: memory)

    monkeypatch.delenv(workers.PROCESSES_VARIABLE, raising=False)
    return of


@pytest.mark.parametrize(
    ("has", "cases", "device", "expected"),
    [
        ((2, 24 * GIB), 30, "cpu", 0),
        ((2, 24 * GIB), 30, "cuda", 1),
        ((8, 24 * GIB), 30, "cpu", 2),
        ((64, 24 * GIB), 30, "cpu", 3),
        ((16, 128 * GIB), 30, "cuda", 3),
        ((16, 128 * GIB), 1, "cuda", 0),
        ((16, 128 * GIB), 2, "cuda", 1),
        ((16, 128 * GIB), 0, "cuda", 0),
        ((16, 9 * GIB), 30, "cuda", 2),
        ((16, 1 * GIB), 30, "cuda", 0),
        ((16, None), 30, "cuda", 3),
    ],
)
def test_workers_follow_from_cores_memory_and_cases(machine, has, cases, device, expected):
    machine(*has)
    assert background_processes(None, cases, device) == expected


def test_what_the_user_asks_for_is_done(machine):
    machine(2, GIB)
    assert [background_processes(number, 1, "cpu") for number in (0, 1, 7)] == [0, 1, 7]


def test_nnunets_variable_is_a_limit(machine, monkeypatch):
    machine(16, None)
    monkeypatch.setenv("nnUNet_def_n_proc", "1")
    assert background_processes(None, 30, "cuda") == 1
    monkeypatch.setenv("nnUNet_def_n_proc", "many")
    with pytest.raises(ValueError, match="expects a number of processes, found 'many'"):
        process_limit()


@pytest.mark.parametrize(("has", "most"), [((8, None), 8), ((8, 5 * GIB), 2), ((8, 0), 1)])
def test_memory_bounds_what_runs_at_once(machine, has, most):
    machine(*has)
    assert most_processes() == most


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    assert cores() >= 1
    # What a container or a job allows, as joblib's backend hears of it.
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert cores() == 1
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "abc")
    with pytest.raises(ValueError, match="LOKY_MAX_CPU_COUNT expects a number of cores"):
        cores()


def test_memory_is_that_of_the_container(monkeypatch, tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
    limit, used, stat = (tmp_path / f"memory.{name}" for name in ("max", "current", "stat"))
    stat.write_text("anon 900\ninactive_file 100\nactive_file 7\n")
    monkeypatch.setattr(workers, "_MEMINFO", meminfo)
    monkeypatch.setattr(workers, "_CGROUP", (limit, used, stat))
    assert free_memory() == 8_000_000 * 1024
    limit.write_text("max\n")
    used.write_text("1000\n")
    assert free_memory() == 8_000_000 * 1024
    limit.write_text("5000\n")
    assert free_memory() == 4100
    limit.write_text("500\n")
    assert free_memory() == 0
    meminfo.unlink()
    limit.unlink()
    assert free_memory() is None
