"""Fixtures of the system tests: labs, and the built program driven as people and systemd drive it.

    /usr/bin/python3 -m pytest test/system            BASCULE_BUILD=FOLDER chooses another build than build/
"""
from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "lab"))
import clusters  # noqa: E402
from lab import Lab  # noqa: E402
from drive import Bascule, find_program  # noqa: E402

ROWS = 5_000  # enough that every table has rows of every kind; a restore takes a second


def pytest_configure(config: pytest.Config) -> None:
    """One folder of data directories for all workers."""
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.mkdtemp(prefix="bascule-clusters-", dir="/tmp")
    os.chmod(folder, 0o711)
    if clusters.user():
        shutil.chown(folder, clusters.user(), clusters.user())
    os.environ["BASCULE_CLUSTERS"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def build() -> Path:
    folder = Path(os.environ.get("BASCULE_BUILD", ROOT / "build")).absolute()
    assert (folder / "lab" / "akig-api").exists(), f"no build in {folder}: meson setup {folder} && ninja -C {folder}"
    return folder


@pytest.fixture(scope="session")
def program(build: Path) -> Path:
    return find_program(build)


@pytest.fixture
def make_lab(build: Path) -> Iterator[Callable[..., Lab]]:
    """Makes labs that end with the test, whatever becomes of it."""
    labs: list[Lab] = []

    def make(**options: object) -> Lab:
        options = {"rows": ROWS, "stages": "test", "playbook_edits": {r"(?m)^hold: .*": "hold: 2s"}, **options}
        labs.append(Lab.create(build, **options))
        return labs[-1]

    yield make
    for lab in labs:
        lab.down()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()


@pytest.fixture
def make_bascule(program: Path, make_lab: Callable[..., Lab]) -> Iterator[Callable[..., Bascule]]:
    """A lab with the program beside it. What the controller said is shown when the test fails."""
    made: list[Bascule] = []

    def make(**options: object) -> Bascule:
        made.append(Bascule(program, make_lab(**options)))
        return made[-1]

    yield make
    for bascule in made:
        bascule.stop()
        print(bascule.story())


@pytest.fixture
def bascule(make_bascule: Callable[..., Bascule]) -> Bascule:
    return make_bascule()
