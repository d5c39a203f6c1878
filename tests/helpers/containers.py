"""Dockerfile and compose.yaml as data, and what they start as processes: this needs no container engine."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.processes import ended_with_block

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
_VARIABLE = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
_SECONDS = 240


def variables(text: str) -> set[str]:
    """The variables of the environment that a part of compose.yaml asks for."""
    return set(_VARIABLE.findall(text))


@dataclass
class Stage:
    """A stage of the Dockerfile, with what it takes over from the one that it begins with."""

    copied: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    user: str = ""


def stages() -> dict[str, Stage]:
    """The stages by their names."""
    found: dict[str, Stage] = {}
    stage = Stage()
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        match instruction:
            case "FROM":
                base, _, name = rest.split()
                start = found.get(base, Stage())
                stage = found[name] = Stage(environment=dict(start.environment))
            case "COPY" if not rest.startswith("--from"):
                stage.copied += rest.split()[:-1]
            case "ENV":
                stage.environment.update(word.split("=", 1) for word in rest.split())
            case "CMD":
                stage.command = json.loads(rest)
            case "HEALTHCHECK":
                stage.check = json.loads(rest.partition("CMD ")[2])
            case "USER":
                stage.user = rest
    return found


@dataclass(frozen=True)
class Container:
    """A service of compose.yaml as a process, in a folder in place of its file system.

    Attributes:
        name: of the service.
        folder: in which it runs; where the image has no home and no temporary folder, it has folders beside this one.
        instead: of words in its command, environment and health check, such as addresses.
    """

    name: str
    folder: Path
    instead: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """What the container starts."""
        return self._adapted(SERVICES[self.name].get("command") or self._stage().command)

    def check(self) -> list[str]:
        """What tells whether it is healthy."""
        service = SERVICES[self.name].get("healthcheck")
        return self._adapted(service["test"][1:] if service else self._stage().check)

    def environment(self) -> dict[str, str]:
        """All that the process gets: what image and compose.yaml say, and nothing of this machine."""
        given = {**self._stage().environment, **(SERVICES[self.name].get("environment") or {})}
        adapted = dict(zip(given, self._adapted([*map(str, given.values())]), strict=True))
        return {**adapted, "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}

    def run(self) -> None:
        """Let a service that ends do what it does."""
        self._prepare()
        done = subprocess.run(
            self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout

    @contextmanager
    def running(self) -> Iterator[None]:
        """Healthy while the block runs."""
        self._prepare()
        log = self.folder.with_suffix(".log")
        with log.open("w") as lines:
            process = subprocess.Popen(
                self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=lines,
                stderr=lines,
            )  # fmt: skip
            with ended_with_block(process):
                self._wait_until_healthy(process, log)
                yield

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for target, source in self._configs().items():
            [content] = self._adapted([COMPOSE["configs"][source]["content"]])
            Path(self._adapted([target])[0]).write_text(content)

    def _configs(self) -> dict[str, str]:
        return {config["target"]: config["source"] for config in SERVICES[self.name].get("configs", [])}

    def _wait_until_healthy(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            asked = subprocess.run(self.check(), env=self.environment(), capture_output=True, check=False)
            if asked.returncode == 0:
                return
            time.sleep(0.5)
        pytest.fail(f"{self.name} did not become healthy\n{log.read_text()}")

    def _stage(self) -> Stage:
        return stages()[SERVICES[self.name]["build"]["target"]]

    def _adapted(self, words: Sequence[str]) -> list[str]:
        beside = str(self.folder.parent / "tmp")
        known = {"/tmp": beside, "/project": str(self.folder), "0.0.0.0": "127.0.0.1", **self.instead}  # noqa: S104, S108
        known |= {target: f"{self.folder}-{source}" for target, source in self._configs().items()}
        longest_first = sorted(known, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, longest_first)))
        # What a person would write into .env.
        filled = [_VARIABLE.sub(lambda found: secret(found[1]), word) for word in words]
        return [pattern.sub(lambda found: known[found[0]], word) for word in filled]


def secret(variable: str) -> str:
    """What stands for a secret in the tests."""
    return "secret" + variable.lower().replace("_", "")


def listed(folder: Path = ROOT) -> set[str]:
    """The files that git knows, and those that it would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return set(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines())
