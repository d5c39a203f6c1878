from pathlib import Path

import numpy as np
import pytest

from facesent.training.checkpoint import LARGE, CheckpointError, CheckpointFolder, State


def state(epochs: int, fingerprint: str = "a", *, size: int = 3, finished: bool = False) -> State:
    return State(
        fingerprint,
        [{"loss": 1.0}] * epochs,
        finished=finished,
        variables=[np.full(size, epochs, np.int8), np.array(epochs)],
    )


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    folder = CheckpointFolder(tmp_path / "checkpoint", pytest.fail)
    folder.clear()
    return folder


def test_the_last_state_comes_back(folder: CheckpointFolder) -> None:
    folder.save(state(1), best=[np.ones(3)])
    folder.save(state(2), best=None)
    folder.close()
    loaded = folder.load("a")
    assert loaded is not None
    assert loaded.history == [{"loss": 1.0}] * 2
    assert [value.tolist() for value in loaded.variables] == [[2, 2, 2], 2]
    assert [value.tolist() for value in folder.best("a", 0)] == [[1, 1, 1]]


def test_a_large_state_waits_until_the_last_one_was_a_while_ago(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint", pytest.fail, pause=3600)
    folder.clear()
    for epochs in range(1, 4):
        folder.save(state(epochs, size=LARGE), best=[np.full(3, epochs)])
        assert len(folder.history("a")) <= 1
    # The weights that no file has yet are those of the best epoch all the same.
    assert [value.tolist() for value in folder.best("a", 2)] == [[3, 3, 3]]
    folder.close()
    loaded = CheckpointFolder(folder.path, pytest.fail).load("a")
    assert loaded is not None
    assert len(loaded.history) == 3
    assert (loaded.variables[0] == 3).all()
    folder.save(state(4, size=LARGE), best=None)
    folder.save(state(5, size=LARGE, finished=True), best=None)
    folder.best("a", 2)
    folder.close()
    assert len(folder.history("a")) == 5


def test_memory_is_given_back_when_nobody_needs_it(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint", pytest.fail, pause=3600)
    folder.clear()
    first, second, third = (state(epochs, size=LARGE) for epochs in (1, 2, 3))
    folder.save(first, best=first.variables)
    folder.save(second, best=second.variables)
    assert folder.spare() is first.variables
    assert folder.spare() is None
    folder.save(third, best=None)
    given = folder.spare()
    assert given is second.variables
    # It may be written to: neither the best weights nor the state that waits are in it.
    for array in (*first.variables, *given):
        array[...] = 99
    folder.close()
    loaded = folder.load("a")
    assert loaded is not None
    assert (loaded.variables[0] == 3).all()
    assert (folder.best("a", 1)[0] == 2).all()


def test_another_fingerprint_finds_nothing(folder: CheckpointFolder) -> None:
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    assert folder.load("b") is None


def test_a_broken_file_is_no_state(folder: CheckpointFolder) -> None:
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    file = folder.path / "state"
    whole = file.read_bytes()
    for length in (0, 100, len(whole) - 1):
        file.write_bytes(whole[:length])
        assert folder.load("a") is None


def test_best_weights_that_are_not_what_was_written_are_trained_again(folder: CheckpointFolder) -> None:
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    file = folder.path / "best"
    whole = file.read_bytes()
    for broken in (whole[:-1], whole[:-1] + b"!", whole[:100]):
        file.write_bytes(broken)
        assert folder.load("a") is None
        with pytest.raises(CheckpointError, match=r"weights of epoch 1 .*Received: .*trained again"):
            folder.best("a", 0)


def test_best_weights_of_another_epoch_are_not_taken(folder: CheckpointFolder) -> None:
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    older = (folder.path / "best").read_bytes()
    folder.save(state(2), best=[np.zeros(3)])
    folder.save(state(3), best=None)
    folder.close()
    (folder.path / "best").write_bytes(older)
    assert folder.load("a") is None
    with pytest.raises(CheckpointError, match=r"weights of epoch 2 .*Received: those of epoch 1"):
        folder.best("a", 1)


def test_a_kill_between_the_best_weights_and_their_state_repeats_the_epoch(folder: CheckpointFolder) -> None:
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    older = (folder.path / "state").read_bytes()
    folder.save(state(2), best=[np.zeros(3)])
    folder.close()
    (folder.path / "state").write_bytes(older)
    assert len(folder.history("a")) == 1


def test_a_kill_between_the_best_weights_and_a_state_that_waited_repeats_its_epochs(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoint", pytest.fail, pause=3600)
    folder.clear()
    folder.save(state(1, size=LARGE), best=[np.ones(3)])
    folder.save(state(2, size=LARGE), best=None)
    older = (folder.path / "state").read_bytes()
    folder.save(state(3, size=LARGE), best=[np.zeros(3)])
    folder.close()
    (folder.path / "state").write_bytes(older)
    assert len(folder.history("a")) == 1


def test_a_failed_write_is_told_and_keeps_the_state_before(tmp_path: Path) -> None:
    told: list[OSError] = []
    folder = CheckpointFolder(tmp_path / "checkpoint", told.append)
    folder.clear()
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    # A folder in the draft's place fails as a full disk would: the file cannot be written.
    (folder.path / "state.draft").mkdir()
    folder.save(state(2), best=None)
    folder.close()
    assert len(told) == 1
    loaded = folder.load("a")
    assert loaded is not None
    assert len(loaded.history) == 1


def test_best_weights_that_cannot_be_written_are_tried_again_and_no_state_tells_of_them_before(tmp_path: Path) -> None:
    told: list[OSError] = []
    folder = CheckpointFolder(tmp_path / "checkpoint", told.append)
    folder.clear()
    folder.save(state(1), best=[np.ones(3)])
    folder.close()
    blocked = folder.path / "best.draft"
    blocked.mkdir()
    folder.save(state(2), best=[np.zeros(3)])
    folder.save(state(3), best=None)
    folder.close()
    assert len(told) == 2
    assert len(folder.history("a")) == 1
    assert [value.tolist() for value in folder.best("a", 1)] == [[0, 0, 0]]
    blocked.rmdir()
    folder.save(state(4), best=None)
    folder.close()
    assert len(folder.history("a")) == 4
    assert [value.tolist() for value in CheckpointFolder(folder.path, pytest.fail).best("a", 1)] == [[0, 0, 0]]
