"""`docs/operations.md` as a new user follows it: its commands, in its order, against a real S3 server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from s3_server import make_bucket

from elmtex_batch.warehouse import Warehouse

ROOT = Path(__file__).parent.parent
SAMPLES = ("de_ambulanzbrief_basedow.txt", "en_case_kawasaki.txt", "de_entlassungsbrief_verschluesselt.pdf")
PROGRAM = """#!{python}
import sys
from elmtex_batch import pipeline
from elmtex_batch.cli import main
from elmtex_batch.fakes import PatternReader

pipeline.Model.from_settings = classmethod(lambda cls, *_: cls("fake", PatternReader))
sys.exit(main())
"""


def commands(mark: str) -> str:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(rf"^```{mark}\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def fake_program(folder: Path) -> Path:
    """A folder with an `elmtex-batch` that has a fake model, to be put before all others on the PATH."""
    program = folder / "bin" / "elmtex-batch"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o700)
    return program.parent


def fill_archive() -> None:
    store = make_bucket("clinic")
    for name in SAMPLES:
        with store.open_output_stream(f"clinic/archive/2009/{name}") as stream:
            stream.write((ROOT / "sample_inputs" / name).read_bytes())


def test_a_new_user_gets_from_nothing_to_a_second_night(s3: dict[str, str], tmp_path: Path) -> None:
    fill_archive()
    environment = {**os.environ, "PATH": f"{fake_program(tmp_path)}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    script = commands("sh")
    assert script.count("elmtex-batch convert") == 2 and shutil.which("bash")
    done = subprocess.run(
        ["bash", "-exuo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ledger = Warehouse.open("s3://clinic/warehouse").ledger().to_pylist()
    assert len(ledger) == 3 and [row["status"] for row in ledger].count("rejected") == 1  # the encrypted one
    assert len({row["run_id"] for row in ledger}) == 1


@pytest.mark.parametrize("link", re.findall(r"\]\((\.\./[^)]+)\)", (ROOT / "docs" / "operations.md").read_text()))
def test_what_it_points_to_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
