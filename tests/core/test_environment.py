"""What a process sets before its libraries read it."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from facesent.core.environment import bypass_proxy_for_this_machine, leave_unusable_proxies_out


def settled(code: str, **variables: str) -> str:
    """What code prints in a process of its own, after its entry point's preparation."""
    program = f"from facesent.registry.client import prepare; prepare()\n{code}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("given", ["", "localhost", "localhost,127.0.0.1", "intranet.example, 127.0.0.1"])
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_is_on_this_machine_is_asked_without_a_proxy(given: str, name: str) -> None:
    code = (
        "import httpx, requests, urllib.request as u\n"
        "urls = [f'http://{host}:1234/' for host in ('localhost', '127.0.0.1', '[::1]')]\n"
        "pool = httpx.Client()\n"
        "print(all(pool._transport_for_url(httpx.URL(url)) is pool._transport for url in urls),\n"
        "      any(requests.utils.get_environ_proxies(url) for url in urls[:2]), u.proxy_bypass('127.0.0.1'),\n"
        "      bool(requests.utils.get_environ_proxies('http://example.org')), u.proxy_bypass('intranet.example'))"
    )
    proxy = "http://127.0.0.1:9"
    found = settled(code, HTTP_PROXY=proxy, http_proxy=proxy, HTTPS_PROXY=proxy, **{name: given})
    assert found == f"True False True True {'intranet' in given}"


@pytest.mark.slow
def test_an_empty_setting_counts_as_not_set(tmp_path: Path) -> None:
    code = (
        "import keras; from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT\n"
        "print(keras.config.max_epochs(), keras.config.max_steps_per_epoch(), MLFLOW_HTTP_REQUEST_TIMEOUT.get())"
    )
    names = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED", "MLFLOW_HTTP_REQUEST_TIMEOUT")
    home = {"HOME": str(tmp_path), "KERAS_HOME": str(tmp_path)}
    assert settled(code, **home, **dict.fromkeys(names, "")) == "None None 120"
    assert settled("import os; print(os.environ['KERAS_HOME'])", HOME=str(tmp_path), KERAS_HOME="").endswith("keras")


def test_who_wants_no_proxy_at_all_gets_none() -> None:
    code = "import requests; print(requests.utils.get_environ_proxies('http://intranet.example'))"
    assert settled(code, HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9", NO_PROXY="*") == "{}"


_HOSTS_THAT_HTTPX_TAKES = ["::1", "fe80::1%eth0", "10.0.0.0/8", "192.168.1", "example.org", ".example.org"]
_HOSTS_THAT_HTTPX_TAKES += ["*.example.org", "example.org:8080", "example.org:", "a_b", "<local>", "10.*", "LOCALHOST"]
_HOSTS_AT_WHICH_HTTPX_ENDS = ["fd00::/8", "[fd00::]/8", "::/0", "[::1]:8080", "1::2::3", "example.org:port", "a:b:c"]
_HOSTS_AT_WHICH_HTTPX_ENDS += ["müller.de", ".müller.de", "x\ty", "http://[::1", "http://müller.de:port"]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        *[(host, host) for host in _HOSTS_THAT_HTTPX_TAKES],
        *[(host, None) for host in _HOSTS_AT_WHICH_HTTPX_ENDS],
        ("[::1]", "::1"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("http://xn--x", "xn--x"),
        ("http://999.1.1.1", "999.1.1.1"),
        ("http://example.org/", "example.org/"),
    ],
)
def test_a_host_without_proxy_is_written_as_httpx_takes_it(
    given: str, written: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, given)
    if written == given or given == "http://example.org/":
        httpx.Client().close()
    else:
        with pytest.raises((httpx.InvalidURL, UnicodeError)):
            httpx.Client()
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, f"intranet.example, {given}")
    bypass_proxy_for_this_machine()
    httpx.Client().close()
    expected = ["intranet.example", *([written] if written else []), "localhost", "127.0.0.1"]
    expected += [] if written == "::1" else ["::1"]
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == ",".join(expected)


@pytest.mark.parametrize(
    "proxy", ["http://proxy:port", " http://proxy:3128", "ftp://proxy:1", "http://[::1", "socks4://a:1"]
)
def test_a_proxy_at_which_clients_would_end_is_left_out(
    proxy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises((ValueError, httpx.InvalidURL)):
        httpx.Client()
    leave_unusable_proxies_out()
    httpx.Client().close()
    assert "Ignoring the proxy of HTTP_PROXY, which can't be used" in capsys.readouterr().err
    assert os.environ["HTTPS_PROXY"] == "proxy.example:3128"


def test_settings_of_another_projects_keras_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text('{"image_data_format": "channels_first", "floatx": "float16"}')
    found = settled("import os; print(os.environ['KERAS_HOME'], os.environ['KERAS_BACKEND'])", HOME=str(tmp_path))
    assert found == f"{Path('outputs', 'cache', 'keras').absolute()} tensorflow"


@pytest.mark.slow
def test_settings_in_a_named_keras_home_change_no_network(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text(
        '{"image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1, "backend": "tensorflow"}'
    )
    shown = "c.floatx(), c.image_data_format(), c.epsilon()"
    code = f"from facesent.model.backend import keras; c = keras.config; print({shown})"
    assert settled(code, KERAS_HOME=str(tmp_path)) == "float32 channels_last 1e-07"


@pytest.mark.slow
def test_faces_are_found_also_where_another_project_asks_for_the_keras_of_old() -> None:
    find = "from facesent.prediction.faces import all_faces; print(all_faces(np.zeros((50, 50, 3), 'u1')))"
    assert settled(f"import numpy as np; {find}", TF_USE_LEGACY_KERAS="1") == "[]"


def test_text_that_the_terminal_does_not_know_ends_nothing() -> None:
    assert settled("print('→ Größe')", PYTHONIOENCODING="ascii") == "? Gr??e"


def test_a_backend_that_matplotlib_does_not_know_is_no_end() -> None:
    code = "from facesent.core.environment import draw_unseen; draw_unseen(); import matplotlib; print('drawn')"
    assert settled(code, MPLBACKEND="nothing") == "drawn"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_a_user_without_a_name_has_a_home_also_where_the_project_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    # That no user has: uids are given from below.
    program = "import os; from facesent.core.environment import name_user; os.setuid(54321); name_user()"
    code = f"{program}; print(os.environ['HOME'])"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stderr, Path(done.stdout.strip()).is_dir()) == ("", True)
