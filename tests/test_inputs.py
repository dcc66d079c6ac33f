import hashlib
from pathlib import Path

import pytest

from elmtex_batch.errors import InputMissing
from elmtex_batch.inputs import build_manifest, list_sources, read_bytes
from elmtex_batch.settings import PageSettings


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name, content in {"a.txt": "one", "b/c.pdf": "two", "b/d [1].txt": "one", ".git/x": "no", "b/.y": "no"}.items():
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "archive"


def names(sources: list[str], archive: Path) -> list[str]:
    return [str(Path(source).relative_to(archive)) for source in sources]


def test_a_folder_is_taken_whole_without_hidden_files(archive: Path) -> None:
    assert names(list_sources([str(archive)]), archive) == ["a.txt", "b/c.pdf", "b/d [1].txt"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "b/d [1].txt"]),
        ("*/c.*", ["b/c.pdf"]),
        ("b/d [1].txt", ["b/d [1].txt"]),
    ],
)
def test_files_and_globs(archive: Path, spec: str, expected: list[str]) -> None:
    assert names(list_sources([f"{archive}/{spec}"]), archive) == expected


def test_a_list_file_names_inputs_and_repeats_count_once(archive: Path, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"{archive}/a.txt\n\n{archive}/b\n{archive}/a.txt\n")
    assert names(list_sources([f"@{listing}"]), archive) == ["a.txt", "b/c.pdf", "b/d [1].txt"]


def test_a_filesystem_uri_is_opened(archive: Path) -> None:
    sources = list_sources([f"file://{archive}/b"])
    assert [read_bytes(source) for source in sources] == [b"two", b"one"]


@pytest.mark.parametrize("spec", ["nothing.pdf", "*.docx", "@no_list.txt", "gopher://x/y"])
def test_inputs_that_name_no_file_stop_the_run_without_naming_them(archive: Path, spec: str) -> None:
    with pytest.raises(InputMissing) as error:
        list_sources([spec if spec[0] == "@" or "://" in spec else f"{archive}/{spec}"])
    assert "nothing" not in str(error.value) and str(archive) not in str(error.value)


def test_equal_contents_are_one_document_with_several_sources(archive: Path) -> None:
    manifest = build_manifest(list_sources([str(archive)]), PageSettings()).to_pylist()
    by_id = {row["doc_id"]: names(row["sources"], archive) for row in manifest}
    assert by_id == {
        hashlib.sha256(b"one").hexdigest(): ["a.txt", "b/d [1].txt"],
        hashlib.sha256(b"two").hexdigest(): ["b/c.pdf"],
    }


def test_what_cannot_be_read_is_a_document_with_a_reason(archive: Path) -> None:
    (archive / "empty.pdf").touch()
    (archive / "big.txt").write_text("x" * 2000)
    sources = [*list_sources([str(archive)]), str(archive / "gone.pdf")]
    manifest = build_manifest(sources, PageSettings(max_file_mb=0.001)).to_pylist()
    reasons = {Path(row["sources"][0]).name: [reason["code"] for reason in row["reasons"]] for row in manifest}
    assert reasons["empty.pdf"] == ["empty_file"]
    assert reasons["big.txt"] == ["file_too_large"]
    assert reasons["gone.pdf"] == ["unreadable"]
    assert reasons["a.txt"] == []
