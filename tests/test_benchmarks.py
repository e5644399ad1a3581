"""Do the benchmarks answer as promised: JSON with the agreed keys, one sentence for a mistake?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE_KEYS = [
    *("path", "bytes", "gzip_bytes", "first_figure_s", "slider_ms"),
    *("dead_controls", "outside_requests", "errors"),
]
PAGE = """<!doctype html>
<html lang="en"><head><title>t</title><link rel="icon" href="data:,"></head>
<body><p>Nothing alive here.</p><script>{script}</script></body></html>
"""

pytestmark = pytest.mark.browser


def page_py(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "benchmarks" / "page.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--site", "nowhere"), "nowhere is no built site"),
        (("--sites", "x"), "unrecognized arguments: --sites x"),
        (("--site",), "expected one argument"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, said):
    result = page_py(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def test_every_page_is_reported_and_what_is_wrong_with_it(tmp_path):
    (tmp_path / "index.html").write_text("")
    still = PAGE.format(script="")
    (tmp_path / "still.html").write_text(still)
    (tmp_path / "bad.html").write_text(
        PAGE.format(script="fetch('http://elsewhere.example/x').catch(() => {}); nothing()")
    )
    result = page_py("--json", "--site", str(tmp_path))
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)
    assert set(measured) == {"pages", "machine_ratio", "boot_s"}
    bad, good = measured["pages"]
    assert list(good) == PAGE_KEYS
    assert (good["path"], good["bytes"]) == ("still.html", len(still))
    assert 0 < good["gzip_bytes"] < len(still)
    assert not good["errors"] and not good["outside_requests"] and not good["dead_controls"]
    assert good["first_figure_s"] is None and good["slider_ms"] is None
    assert bad["outside_requests"] == ["http://elsewhere.example/x"]
    assert any("nothing is not defined" in error for error in bad["errors"])


def test_the_day_of_a_data_centre_has_its_keys(monkeypatch, capsys):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import cluster

    sys.path.pop(0)
    monkeypatch.setattr(cluster, "HOSTS", (2, 4))
    monkeypatch.setattr(sys, "argv", ["cluster.py", "--json"])
    cluster.main()
    measured = json.loads(capsys.readouterr().out)
    assert list(measured) == ["seconds", "peak_mb", "seconds_by_hosts"]
    assert list(measured["seconds_by_hosts"]) == ["2", "4"]
    assert measured["seconds"] == measured["seconds_by_hosts"]["4"] > 0
    assert measured["peak_mb"] > 10
