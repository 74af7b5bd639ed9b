"""What people and programs do to a controller at the worst moment: each test was written for a way in which it once failed."""
from __future__ import annotations

import subprocess

import faults
from drive import Bascule


def at_once(bascule: Bascule, commands: list[tuple[str, ...]]) -> list[int]:
    """The commands started together, as by several people; their exit statuses."""
    started = [subprocess.Popen(bascule.argv(*words), env=bascule.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL) for words in commands]
    return [process.wait(60) for process in started]


def test_many_people_speak_at_once(bascule: Bascule) -> None:
    """A row that comes while the controller acts upon another one is in nobody's way."""
    bascule.serve_and_settle()
    for turn in range(8):
        said = at_once(bascule, [("incident", "open", "P3", f"turn {turn}, person {i}") for i in range(4)] + [("incident", "ack")] * 2)
        assert said[:4] == [0] * 4
        assert bascule.running()
        assert bascule.run("incident", "resolve", str(turn + 1)).returncode == 0
    bascule.verify()
    assert bascule.stop() == 0
