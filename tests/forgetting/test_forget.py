"""A person's images, removed from everywhere."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

from facesent.cli import main
from facesent.core.errors import FacesentError
from facesent.core.files import images_in_use, sha256
from facesent.core.paths import Project
from facesent.dataset.assignment import identities, text_of
from facesent.dataset.metadata import parse
from facesent.forgetting import objects, steps
from facesent.forgetting import person as journal
from facesent.forgetting.files import lists
from facesent.forgetting.person import Content
from facesent.labels.queue import write_queue
from facesent.people import cache
from facesent.promotion import aliases, judge
from facesent.promotion.register import Candidate, register
from facesent.registry import artifacts, versions
from facesent.registry.runs import MODEL_TAG
from facesent.registry.versions import CHAMPION, RETRAIN_TAG, RegistryError
from facesent.serving.gateway.answers.log import AnswerLog
from facesent.serving.gateway.answers.rows import AnsweredRequest
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, Store
from tests.helpers.answering import KEPT
from tests.helpers.forgetting import first_in, groups, images_of, leave_soft_targets, run
from tests.helpers.looking import files_that_say, files_that_show
from tests.helpers.promoters import passed_canary

pytestmark = pytest.mark.slow

ANSWER = {"label": "Happy", "confidence": 0.75, "probabilities": {"Happy": 0.75, "Sad": 0.25}, "version": 1}
FORGET = [sys.executable, "-m", "facesent.cli", "forget"]


def in_cache(file: Path) -> Path:
    md5 = Content.of(file.read_bytes()).md5
    return Path(".dvc/cache/files/md5", md5[:2], md5[2:])


def head() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout[:8]


def copied(name: str, target: str) -> None:
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path("data", name), target)


def leave_copies_of(mine: str, other: str) -> None:
    """What kills, people and other commands leave around in a project."""
    copied(mine, ".data-download/archive.part")
    copied(mine, "data.old/Happy/old.jpg")
    copied(mine, "data/beside.jpg")
    copied(mine, ".dvc/tmp/facesent-reproduce-1-x/project/data/Happy/a.jpg")
    shutil.copytree("outputs/evaluate", ".dvc/tmp/facesent-reproduce-1-x/project/outputs/evaluate")
    for name in (mine, other):
        copied(name, f"outputs/feedback/Happy/{Path(name).name}")
    lines = f"file_name,group\nHappy/{Path(mine).name},subject-4711\nHappy/{Path(other).name},subject-1\n"
    Path("outputs/feedback/metadata.csv").write_text(lines)
    Path("outputs/gate").mkdir()
    shutil.copy("outputs/evaluate/report.html", "outputs/gate/report.html")
    names = sorted(groups())
    leave_soft_targets(names)
    issues = pd.DataFrame(
        {"file_name": names, "given": "Happy", "suggested": "Sad", "confidence": 0.9, "self_confidence": 0.1}
    )
    write_queue(issues, Path("data"), Path("outputs/label_issues"), limit=100, hidden=[])
    [run_id] = [found.info.run_id for found in mlflow.MlflowClient().search_runs(["1"])]
    mlflow.MlflowClient().log_artifact(run_id, "outputs/evaluate/report.html", "gate")
    deleted = mlflow.MlflowClient().create_run("1").info.run_id
    mlflow.MlflowClient().log_artifact(deleted, "outputs/label_issues/queue-01.png")
    mlflow.MlflowClient().delete_run(deleted)
    manifest = pd.read_parquet("outputs/validate/manifest.parquet")
    leave_a_run_of_others(manifest[manifest["file_name"] == other])
    with cache.opened(Project().people_cache, "network") as embeddings:
        embeddings.add(list(manifest["sha256"].unique()), np.ones((manifest["sha256"].nunique(), 4), np.float16))


def leave_a_run_of_others(image: pd.DataFrame) -> None:
    """Of which only the gate's page is of an earlier evaluation, whose images nobody knows."""
    client = mlflow.MlflowClient()
    run_id = client.create_run("1", run_name="others", tags={MODEL_TAG: "1"}).info.run_id
    client.log_text(run_id, text_of(identities(image).assign(split="train")), artifacts.SEEN)
    client.log_text(run_id, image[["file_name"]].to_csv(index=False), "evaluation/predictions.csv")
    client.log_text(run_id, "<img src='data:image/jpeg;base64,AAAA'>", "evaluation/report.html")
    client.log_text(run_id, "<img src='data:image/jpeg;base64,BBBB'>", "gate/report.html")


def artifacts_of(name: str) -> set[str]:
    client = mlflow.MlflowClient()
    [found] = client.search_runs(["1"], f"attributes.run_name = '{name}'")
    folders = [entry.path for entry in client.list_artifacts(found.info.run_id)]
    return {entry.path for folder in folders for entry in client.list_artifacts(found.info.run_id, folder)}


def log_answers(*photos: tuple[str, str]) -> None:
    log = AnswerLog(replace(KEPT, photos=True, embeddings=True), lambda: Store(DEFAULT_ADDRESS))
    for subject, name in photos:
        log.put(AnsweredRequest([ANSWER], [Path("data", name).read_bytes()], subject=subject))
    log.close(30)


def objects_of(name: str) -> list[Path]:
    """An image of data/ as DVC has it, in the cache and in the remote."""
    md5 = Content.of(Path("data", name).read_bytes()).md5
    return [Path(store, "files/md5", md5[:2], md5[2:]) for store in (".dvc/cache", "../remote")]


def test_nothing_that_anybody_can_look_at_is_left_though_it_was_killed(place: Path) -> None:
    project = Project()
    candidate = register(project)
    versions.set_alias(CHAMPION, candidate.version)
    tested, trained = first_in("test"), first_in("train")
    also = images_of(trained)
    theirs = [*images_of(tested), *also]
    others = sorted(set(groups()) - set(theirs))
    photos = [Path("data", name).read_bytes() for name in theirs]
    gone = {Content.of(photo).sha256 for photo in photos}
    other = next(name for name in others if files_that_show([place / "remote"], [Path("data", name).read_bytes()]))
    leave_copies_of(theirs[0], other)
    log_answers(("4711", also[0]), ("1", other))
    before = files_that_show([place], photos)
    assert {"remote", "project"} <= {path.relative_to(place).parts[0] for path in before}
    assert {"report.html", "report.json"} <= {path.name for path in before if "mlruns" in path.parts}

    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    words = [tested, "--subject", "4711", "--others-stay", "--purge-history"]
    words += [word for name in also for word in ("--also", name)]
    with subprocess.Popen([*FORGET, *words], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("data/: "):
                process.send_signal(signal.SIGKILL)
                break
    assert journal.kept(Path())
    left = journal.path_of(Path()).read_text()
    assert tested not in left
    assert not any(name in left for name in theirs)
    assert files_that_show([place], photos)

    code, output = run()
    assert code == 0, output
    assert output.startswith("Going on with what was interrupted.")
    assert files_that_show([place], photos) == []
    hashes = [digest for photo in map(Content.of, photos) for digest in (photo.sha256, photo.md5)]
    assert files_that_say([place / "project", place / "remote"], [tested, *theirs, *hashes]) == []
    names = [path.as_posix() for path in place.rglob("*")]
    # Sheets, of which a tile is too small a part to be found by a hash of the whole.
    assert not [name for name in names if "/augmentation/" in name and name.endswith(".png")]
    assert not [name for name in names if "queue-" in name]
    assert sorted(groups()) == others
    assert all(path.is_file() for name in others for path in objects_of(name))
    assert other.rpartition("/")[2] in {path.name for path in Path("outputs/feedback/Happy").iterdir()}
    with Store(DEFAULT_ADDRESS).reading() as connection:
        assert connection.exec_driver_sql("SELECT subject FROM answers").all() == [("1",)]
    assert set(pd.read_csv("outputs/label_issues/queue.csv")["file_name"]) == set(others)
    with cache.opened(Project().people_cache, "network") as embeddings:
        known = {content for content, _ in embeddings.known({sha256(Path("data", name)) for name in others} | gone)}
    assert known == {sha256(Path("data", name)) for name in others}
    assert artifacts_of("others") == {artifacts.SEEN, "evaluation/predictions.csv", "evaluation/report.html"}
    assert not Project().soft_targets.exists()
    assert not Path("taught.csv").exists()
    assert "Before dvc repro, train teachers for new soft targets: dvc repro split && python -m flows" in output
    assert not journal.path_of(Path()).exists()
    [record] = pd.read_csv("forgotten.csv").to_dict("records")
    assert (record["images"], record["versions"]) == (len(set(photos)), 1)
    assert tested not in Path("forgotten.csv").read_text()
    refused_to_serve(project, candidate)


def refused_to_serve(project: Project, candidate: Candidate) -> None:
    verdict = judge.judge(project, candidate, passed_canary(candidate.version))
    assert verdict.outcome == "REJECTED"
    assert "must be trained again" in verdict.reason
    with pytest.raises(RegistryError, match="facesent models"), aliases.settled() as record:
        aliases.serve(record, candidate.version, "rollback", by="me", why="")
    assert "retrain-required" in " ".join(CliRunner().invoke(main, ["models"]).output.split())
    assert RETRAIN_TAG in CliRunner().invoke(main, ["models", "--json"]).output
    with pytest.raises(FacesentError, match="Run: dvc repro"):
        register(project)
    # What is made of the same run later is marked too.
    assert versions.get(candidate.version).tags[RETRAIN_TAG] == mlflow.get_run(candidate.run_id).data.tags[RETRAIN_TAG]


@pytest.mark.long
def test_ended_in_any_step_the_next_call_ends_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = first_in("train")
    photos = [Path("data", name).read_bytes() for name in images_of(person)]

    class Killed(BaseException):
        pass

    def ending(step: steps.Step) -> steps.Step:
        def ended(*arguments: object) -> None:
            step(*arguments)
            raise Killed

        return ended

    for number in range(len(steps.STEPS)):
        monkeypatch.setattr(steps, "STEPS", tuple(
            ending(step) if index == number else step for index, step in enumerate(ORDER)
        ))  # fmt: skip
        with pytest.raises(Killed):
            run(*([person] if number == 0 else []), "--others-stay")
    monkeypatch.setattr(steps, "STEPS", ORDER)
    assert run()[0] == 0
    assert files_that_show([place], photos) == []
    assert len(pd.read_csv("forgotten.csv")) == 1
    assert [version.tags[RETRAIN_TAG][:2] for version in versions.all_versions()] == ["20"]


ORDER = steps.STEPS


@pytest.mark.long
@pytest.mark.usefixtures("place")
def test_without_a_cache_the_folder_is_put_under_dvc_as_it_is() -> None:
    # As in a clone that fetched nothing but the images.
    shutil.rmtree(".dvc/cache")
    before = Path("data.dvc").read_text()
    assert run(first_in("train"), "--others-stay")[0] == 0
    assert Path("data.dvc").read_text() != before


@pytest.mark.usefixtures("place")
def test_a_person_whom_nobody_knows_is_named_also_by_a_dry_run() -> None:
    code, output = run("nobody", "--dry-run")
    assert code == 1
    assert "Expected images or answers of nobody. Received: none" in output
    code, output = run("--dry-run")
    assert code == 2
    assert "Expected a GROUP" in output


@pytest.mark.long
@pytest.mark.usefixtures("place")
def test_what_looks_alike_is_for_a_person_to_decide() -> None:
    person = first_in("train")
    mine = images_of(person)[0]
    with Image.open(Path("data", mine)) as photo:
        ImageOps.mirror(photo).save("data/Sad/mirrored.png")
    shutil.copy(Path("data", mine), "data/Sad/copy.jpg")
    code, output = run(person, "--dry-run")
    assert code == 0
    shown = output.partition("Look alike")[2]
    assert "Sad/mirrored.png" in shown
    # The very bytes are the photo, wherever they stand.
    assert "Sad/copy.jpg" in output.partition("Look alike")[0]
    assert "Dry run: nothing was changed." in output
    code, output = run(person)
    assert code == 1
    assert "--others-stay" in output
    assert Path("data", mine).is_file()
    assert run(person, "--also", "data/Sad/mirrored.png", "--others-stay")[0] == 0
    assert not Path("data/Sad/mirrored.png").exists()
    assert not Path("data/Sad/copy.jpg").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_that_a_spreadsheet_program_saved_is_a_table(encoding: str) -> None:
    content = "file_name;sha256;decision\nSad/1.jpg;ab;\n".encode(encoding)
    assert lists(content, "queue.csv", lambda rows: rows["file_name"] == "Sad/1.jpg")
    assert not lists(content, "queue.csv", lambda rows: rows["sha256"] == "cd")


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.usefixtures("place")
def test_of_the_files_without_a_byte_the_persons_alone_are_removed(alone: bool) -> None:
    person = "nobody-else" if alone else first_in("train")
    other = next(group for group in groups().values() if group != person)
    theirs, others = Path("data/Sad/theirs.jpg"), [Path("data/Sad/others.jpg"), Path("outputs/note.txt"), Path("a.jpg")]
    for path in (theirs, *others):
        path.touch()
    with Path("data/metadata.csv").open("a") as rows:
        rows.write(f"Sad/theirs.jpg,{person}\nSad/others.jpg,{other}\n")
    code, output = run(person, "--others-stay")
    assert code == 0, output
    assert "Sad/theirs.jpg" in output
    assert not theirs.exists()
    assert [path for path in others if not path.is_file()] == []
    assert person not in groups().values()
    assert "Sad/others.jpg" in groups()


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.usefixtures("place")
def test_a_face_that_was_cut_out_is_found_by_its_photo_and_the_photo_by_its_face(cut: bool) -> None:
    mine = images_of(first_in("train"))[0]
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save("data/Sad/face.png")
    _, rows = parse(Path("data/metadata.csv"))
    table = pd.DataFrame([*rows, {"file_name": "Sad/face.png", "source_sha256": sha256(Path("data", mine))}])
    table.to_csv("data/metadata.csv", index=False)
    code, output = run("--also", "Sad/face.png" if cut else mine, "--others-stay", "--dry-run")
    assert code == 0, output
    assert {mine, "Sad/face.png"} <= {line.strip() for line in output.partition("Look alike")[0].splitlines()}
    assert run("--also", "Sad/face.png" if cut else mine, "--others-stay")[0] == 0
    assert not Path("data", mine).exists()
    assert not Path("data/Sad/face.png").exists()


@pytest.mark.usefixtures("place")
def test_a_photo_of_an_earlier_commit_is_found_though_its_face_has_its_name_now() -> None:
    person = first_in("train")
    mine = images_of(person)[0]
    file, metadata = Path("data", mine), Path("data/metadata.csv")
    columns, rows = parse(metadata)
    track = [sys.executable, "-m", "dvc", "add", "--quiet", "data"]
    photo, face = np.random.default_rng(1).integers(0, 255, (2, 40, 40, 3), dtype=np.uint8)
    # Of the photo nobody had said yet whose it was.
    metadata.unlink()
    file.unlink()
    Image.fromarray(photo).save(file)
    whole, cached = sha256(file), in_cache(file)
    subprocess.run(track, check=True)
    assert cached.is_file()
    file.unlink()
    Image.fromarray(face).save(file)
    known = [{**row, "source_sha256": whole if row["file_name"] == mine else ""} for row in rows]
    pd.DataFrame(known, columns=[*columns, "source_sha256"]).to_csv(metadata, index=False)
    subprocess.run(track, check=True)
    code, output = run(person, "--others-stay")
    assert code == 0, output
    assert not cached.exists()


@pytest.mark.long
@pytest.mark.usefixtures("place")
def test_earlier_commits_are_named_and_their_lists_removed_on_request() -> None:
    commit = head()
    person = first_in("val")
    gone = images_of(person)
    photos = [Path("data", name).read_bytes() for name in gone]
    # They were removed by hand before, and only DVC has them still.
    for name in gone:
        Path("data", name).unlink()
    rows = [line for line in Path("data/metadata.csv").read_text().splitlines() if not line.endswith(f",{person}")]
    # Another's image has got the name since.
    (data_of_another := Path("data", gone[0])).write_bytes(Path("data", next(iter(groups()))).read_bytes() + b"2")
    Path("data/metadata.csv").write_text("\n".join([*rows, f"{gone[0]},another"]) + "\n")
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "data"], check=True)
    code, output = run(person, "--others-stay", "--purge-history")
    assert code == 0, output
    assert f"Images of earlier commits: {len(gone)}" in output
    assert f"restore afterwards: {commit}" in output
    assert files_that_show([Path(), Path("../remote")], photos) == []
    assert data_of_another.is_file()
    with objects.opened(Path()) as kept:
        [now] = [listing for listing in kept.listings if listing.oid in Path("data.dvc").read_text()]
        assert all(kept.path(md5) for md5 in now.files.values())
    lists = [path.read_text() for path in (*Path(".dvc/cache").rglob("*.dir"), *Path("../remote").rglob("*.dir"))]
    assert lists
    assert not any(Content.of(photo).md5 in text for photo in photos for text in lists)


@pytest.mark.long
@pytest.mark.usefixtures("place")
def test_versions_are_marked_though_the_images_are_gone_from_everywhere() -> None:
    person = first_in("train")
    for name in images_of(person):
        Path("data", name).unlink()
    for store in (".dvc/cache", "../remote"):
        shutil.rmtree(store)
    [run_id] = [found.info.run_id for found in mlflow.MlflowClient().search_runs(["1"])]
    assert run("--dry-run", person)[1].count(run_id[:8]) == 1
    code, output = run(person)
    assert code == 0, output
    assert "the remote store is not there" in output
    assert RETRAIN_TAG in versions.get(1).tags
    assert person not in Path("data/metadata.csv").read_text()
    assert run(person)[0] == 1
    # Another, of a run that says nothing of use: it may know anybody.
    mlflow.MlflowClient().log_text(run_id, "damaged", artifacts.SEEN)
    versions.tag_version(1, {RETRAIN_TAG: ""})
    assert run(first_in("val"), "--others-stay")[0] == 0
    assert versions.get(1).tags[RETRAIN_TAG]
    for folder in ("data", ".dvc/cache"):
        shutil.rmtree(folder)
    code, output = run("nobody")
    assert code == 1
    assert "none in data/" in output


@pytest.mark.long
@pytest.mark.usefixtures("place")
def test_images_in_use_and_unknown_people_are_refused() -> None:
    with images_in_use(Path("data")):
        code, output = run(first_in("train"), "--others-stay")
    assert code == 1
    assert "in use" in output
    code, output = run("nobody")
    assert code == 1
    assert "column group" in output
    config = Path(".dvc/config").read_text()
    Path(".dvc/config").write_text(config + "['remote \"far\"']\nurl = hdfs://far/store\n")
    code, output = run(first_in("train"), "--others-stay")
    assert code == 1
    assert "remote far" in output
    assert run()[0] == 2
    assert not journal.path_of(Path()).exists()


@pytest.mark.long
def test_a_person_who_is_all_there_is(project: Path) -> None:
    photo = Path("data/Happy/a.jpg")
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a photo")
    Path("data/metadata.csv").write_text("file_name,group\nHappy/a.jpg,ann\nHappy/gone.jpg,bob\n")
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "data"], check=True)
    contents, names = frozenset([Content.of(photo.read_bytes())]), frozenset([journal.hashed("Happy/a.jpg")])
    ann = journal.Person("1", "now", groups=journal.keys_of(["ann"]), contents=contents, names=names)
    for _ in range(2):
        steps.remove_images(Project(), ann, print)
    assert [path for path in Path("data").rglob("*") if path.is_file()] == []
    assert subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet", "data.dvc"], check=False).returncode == 0
