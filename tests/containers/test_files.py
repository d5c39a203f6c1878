"""Dockerfile, compose.yaml and .env.example agree with each other and with the rest of the project."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.containers import COMPOSE, DOCKERFILE, OWN, ROOT, SERVICES, listed, stages, variables
from tests.helpers.documents import blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXAMPLE = (ROOT / ".env.example").read_text()
each_service = pytest.mark.parametrize("name", SERVICES)


def text_of(part: Any) -> str:
    return json.dumps(part)


def waited_for(name: str) -> set[str]:
    """The services that are there before this one, however many steps away."""
    nearest = set(SERVICES[name].get("depends_on", {}))
    return nearest.union(*map(waited_for, nearest))


def port_of(address: str) -> str:
    return re.findall(r":(\d+)", address)[-1]


@each_service
def test_a_container_may_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid"} & service.keys()
    # Compose cannot write these into a read-only root.
    assert service.get("read_only") or service["configs"]


@each_service
def test_only_this_machine_can_connect(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        address, outside, inside = port.split(":")
        assert address == "127.0.0.1"
        assert outside == inside


@each_service
def test_an_image_has_a_version(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.search(r"\d+\.\d+", tag), f"{image} has the tag {tag!r}"
    if name in OWN:
        assert tag == PROJECT["version"]
        assert image == f"facesent-{SERVICES[name]['build']['target']}"


@each_service
def test_a_service_waits_for_those_that_it_names(name: str) -> None:
    service = SERVICES[name]
    waits = service.get("depends_on", {})
    for other, how in waits.items():
        ends = SERVICES[other].get("restart") == "no"
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert ends or "healthcheck" in SERVICES[other]
    asked = set(re.findall(r"(?:@|http://)(\w+)[:/]", text_of(service.get("environment", {}))))
    assert asked & SERVICES.keys() <= waited_for(name)


@each_service
def test_a_health_check_asks_the_port_that_the_service_has(name: str) -> None:
    service = SERVICES[name]
    if "healthcheck" in service and service.get("ports"):
        [port] = service["ports"]
        [asked] = re.findall(r"127\.0\.0\.1:(\d+)", text_of(service["healthcheck"]["test"]))
        assert asked == port_of(port)


def test_each_secret_is_in_the_example_which_holds_none() -> None:
    given = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert set(given) == variables((ROOT / "compose.yaml").read_text())
    assert set(given.values()) == {""}


def test_the_docs_fill_in_each_secret(tmp_path: Path) -> None:
    [block] = [block for block in blocks("docs/containers.md") if block.mark.startswith("tested in")]
    shutil.copy(ROOT / ".env.example", tmp_path)
    subprocess.run(["bash", "-ec", block.code], cwd=tmp_path, check=True)
    filled = dict(re.findall(r"^(\w+)=([0-9a-f]{48})$", (tmp_path / ".env").read_text(), re.MULTILINE))
    assert filled.keys() == variables((ROOT / "compose.yaml").read_text())
    assert len({*filled.values()}) == len(filled)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_nothing_starts_without_its_secrets() -> None:
    demanded = set(re.findall(r"\$\{(\w+):\?[^}]+\}", text_of(SERVICES)))
    assert variables(text_of(SERVICES)) == demanded
    # Their secrets are demanded by a service, too.
    assert variables(text_of(COMPOSE["configs"])) <= demanded


def test_secrets_get_neither_into_git_nor_into_an_image() -> None:
    assert subprocess.run(["git", "check-ignore", "--quiet", ".env"], cwd=ROOT, check=False).returncode == 0
    ignored, *kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] not in "#"]
    assert ignored == "*"
    names = {line.removeprefix("!") for line in kept if line.startswith("!")}
    copied = {source for stage in stages().values() for source in stage.copied}
    assert names == copied | set(re.findall(r"type=bind,source=(\S+?),", DOCKERFILE))
    for source in names - {".git"}:
        assert any(file == source or file.startswith(f"{source}/") for file in listed())
    assert not any(fnmatch.fnmatch(".env", name) for name in names)


def test_images_run_as_a_user_with_a_number() -> None:
    found = stages()
    [number] = re.findall(r"useradd --uid (\d+)", DOCKERFILE)
    assert int(number) > 0
    assert {found[service["build"]["target"]].user for service in OWN.values()} == {f"{number}:{number}"}


def test_python_and_packages_are_those_that_are_locked() -> None:
    [python] = re.findall(r"^ARG PYTHON=(\d+\.\d+)-", DOCKERFILE, re.MULTILINE)
    assert f"--python-version {python} " in (ROOT / "Makefile").read_text()
    extras = set(re.findall(r"^ARG EXTRAS=(\S+)", DOCKERFILE, re.MULTILINE)[0].split(","))
    assert extras <= PROJECT["optional-dependencies"].keys()
    # The lock is made with the extra dev: what it names is in it.
    [locked] = re.findall(r"facesent\[(\S+)\]", text_of(PROJECT["optional-dependencies"]["dev"]))
    assert extras <= set(locked.split(","))
    assert "--require-hashes" in DOCKERFILE


def test_the_server_has_one_port() -> None:
    server = stages()["server"]
    port = server.command[server.command.index("--port") + 1]
    assert f"EXPOSE {port}\n" in DOCKERFILE
    assert f"http://127.0.0.1:{port}/health" in server.check[-1]
    assert SERVICES["server"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"]
    assert [job["static_configs"] for job in scraped] == [[{"targets": [f"server:{port}"]}]]


def test_prometheus_reads_what_monitoring_has() -> None:
    own = yaml.safe_load((ROOT / "monitoring" / "prometheus.yml").read_text())
    here = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    for settings in (own, here):
        [job] = settings["scrape_configs"]
        job.pop("static_configs")
        job.pop("authorization", None)
    assert own == here


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    service = SERVICES[name]
    for volume in service.get("volumes", []):
        source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
        if source.startswith("."):
            assert str(Path(source)) in listed()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
    assert {config["source"] for config in service.get("configs", [])} <= COMPOSE["configs"].keys()


def test_each_user_of_a_database_is_made() -> None:
    script = COMPOSE["configs"]["databases"]["content"]
    made = set(re.findall(r"CREATE USER (\w+) PASSWORD", script))
    used = set(re.findall(r"//(\w+):\$\{[^}]+\}@postgres/\w+", text_of(COMPOSE)))
    assert made == used
    databases = set(re.findall(r"@postgres/(\w+)", text_of(COMPOSE)))
    assert databases == set(re.findall(r"CREATE DATABASE (\w+) OWNER", script))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(COMPOSE["configs"]["prometheus"]["content"].replace("${FACESENT_TOKEN_OPERATE}", "token"))
    shutil.copy(ROOT / "monitoring" / "alerts.yml", tmp_path)
    subprocess.run(["promtool", "check", "config", str(file)], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_compose_takes_the_file_with_all_secrets_alone(tmp_path: Path) -> None:
    filled = tmp_path / "env"
    filled.write_text(re.sub("=$", "=secret", EXAMPLE, flags=re.MULTILINE))
    command = ["docker-compose", "--project-directory", str(ROOT), "--file", str(ROOT / "compose.yaml"), "--env-file"]
    subprocess.run([*command, str(filled), "config", "--quiet"], check=True)
    empty = ["docker-compose", "--file", str(ROOT / "compose.yaml"), "--env-file", str(ROOT / ".env.example"), "config"]
    bare = {"PATH": os.environ["PATH"]}
    refused = subprocess.run(empty, env=bare, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "required variable S3_SECRET_KEY is missing a value: see .env.example" in refused.stderr


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing() -> None:
    subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, check=True)
