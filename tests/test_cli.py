import json
import subprocess
import sys
from pathlib import Path

import pytest

from elmtex_batch.cli import main


def test_schema_prints_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "radiology"]) == 0
    assert "impression" in json.loads(capsys.readouterr().out)["properties"]


def test_help_loads_nothing_heavy() -> None:
    """What makes it answer at once: none of the large packages is imported."""
    code = """
import sys
from elmtex_batch.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
heavy = {"ray", "torch", "transformers", "peft", "pyarrow", "pydantic", "numpy", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "convert" in done.stdout and "exit codes" in done.stdout


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[ocr]\ndpi = -1\n", "ocr.dpi"),
        ("[ocr]\ndppi = 300\n", "ocr.dppi"),
        ("schema = ", "not valid TOML"),
        ('schema = "cardiology"\n', "no schema 'cardiology'"),
    ],
)
def test_wrong_settings_exit_with_2_and_name_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, message: str
) -> None:
    path = tmp_path / "job.toml"
    path.write_text(config)
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "out"), "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_kinds_of_failure_have_their_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A report.")
    out = str(tmp_path / "out")
    assert main(["convert", str(tmp_path / "nothing"), "--out", out]) == 4
    assert main(["convert", str(tmp_path), "--out", out, "--adapter", str(tmp_path)]) == 5
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "a.txt" / "out")]) == 6
    assert main(["train", "--name", "x", "--data", str(tmp_path / "no.jsonl"), "--out", str(tmp_path / "run")]) == 4
