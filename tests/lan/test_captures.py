"""As capturas da lição 11 são as que o gravador grava."""

import subprocess
import sys

import pytest

from echo_lib import capture
from tests.common import ROOT, TIMEOUT
from tests.lan.conftest import need_namespaces, shape

SAVED = ROOT / "notebooks" / "capturas"
NAMES = sorted(folder.name for folder in SAVED.iterdir())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    need_namespaces()
    folder = tmp_path_factory.mktemp("capturas")
    command = [sys.executable, "-m", "tests.captures.record", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=6 * TIMEOUT)
    return folder


def test_the_recorder_makes_every_capture_of_the_lesson(recorded):
    assert sorted(folder.name for folder in recorded.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_recording_again_gives_the_same_segments(recorded, name):
    assert shape(recorded / name) == shape(SAVED / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_times_are_those_the_lesson_tells(recorded, name):
    """Os prazos do TCP: cerca de 200 ms depois de medir a rede, 1 s antes (RFC 6298)."""
    for folder in (recorded, SAVED):
        segments = capture.read(folder / name).segments
        again = [s for s in segments if s.again]
        first = [next(f for f in segments if f.seq == s.seq and f.end == s.end) for s in again]
        waited = [s.time - f.time for s, f in zip(again, first, strict=True)]
        least = {"syn_perdido": 0.95, "ordem": 0.0}.get(name, 0.15)
        most = {"syn_perdido": 1.5, "ordem": 0.15}.get(name, 0.9)
        assert all(least < wait < most for wait in waited), waited
        assert bool(waited) == (name not in ("conversa", "recusada", "servidor_fecha"))


@pytest.mark.parametrize("name", NAMES)
def test_captures_are_small(name):
    assert sum(file.stat().st_size for file in (SAVED / name).iterdir()) < 8192
