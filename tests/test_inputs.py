import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from elmtex_batch.errors import InputMissing
from elmtex_batch.inputs import Source, documents_of, hash_sources, known_of, list_sources, read_bytes
from elmtex_batch.settings import PageSettings


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name, content in {"a.txt": "one", "b/c.pdf": "two", "b/d [1].txt": "one", ".git/x": "no", "b/.y": "no"}.items():
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "archive"


def names(sources: Sequence[Source | str], archive: Path) -> list[str]:
    paths = [source.path if isinstance(source, Source) else source for source in sources]
    return [str(Path(path).relative_to(archive)) for path in paths]


def manifest_of(sources: Sequence[Source], settings: PageSettings | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = documents_of(hash_sources(sources, settings or PageSettings())).to_pylist()
    return rows


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
    assert [read_bytes(source.path) for source in sources] == [b"two", b"one"]


@pytest.mark.parametrize("spec", ["nothing.pdf", "*.docx", "@no_list.txt", "gopher://x/y"])
def test_inputs_that_name_no_file_stop_the_run_without_naming_them(archive: Path, spec: str) -> None:
    with pytest.raises(InputMissing) as error:
        list_sources([spec if spec[0] == "@" or "://" in spec else f"{archive}/{spec}"])
    assert "nothing" not in str(error.value) and str(archive) not in str(error.value)


def test_equal_contents_are_one_document_with_several_sources(archive: Path) -> None:
    manifest = manifest_of(list_sources([str(archive)]))
    by_id = {row["doc_id"]: names(row["sources"], archive) for row in manifest}
    assert by_id == {
        hashlib.sha256(b"one").hexdigest(): ["a.txt", "b/d [1].txt"],
        hashlib.sha256(b"two").hexdigest(): ["b/c.pdf"],
    }


def test_what_cannot_be_read_is_a_document_with_a_reason(archive: Path) -> None:
    (archive / "empty.pdf").touch()
    (archive / "big.txt").write_text("x" * 2000)
    sources = [*list_sources([str(archive)]), Source(str(archive / "gone.pdf"))]
    manifest = manifest_of(sources, PageSettings(max_file_mb=0.001))
    reasons = {Path(row["sources"][0]).name: [reason["code"] for reason in row["reasons"]] for row in manifest}
    assert reasons["empty.pdf"] == ["empty_file"]
    assert reasons["big.txt"] == ["file_too_large"]
    assert reasons["gone.pdf"] == ["vanished"]
    assert reasons["a.txt"] == []


def test_pipes_and_links_out_of_the_folder_are_listed_and_never_opened(archive: Path, tmp_path: Path) -> None:
    os.mkfifo(archive / "pipe.pdf")
    (tmp_path / "secret.txt").write_text("elsewhere")
    (archive / "link.txt").symlink_to(tmp_path / "secret.txt")
    (archive / "inner.txt").symlink_to(archive / "a.txt")
    rows = manifest_of(list_sources([str(archive)]))
    reasons = {name: [r["code"] for r in row["reasons"]] for row in rows for name in names(row["sources"], archive)}
    assert reasons["pipe.pdf"] == ["not_a_file"] and reasons["link.txt"] == ["outside_of_input"]
    assert reasons["inner.txt"] == reasons["a.txt"] == []


def test_files_that_are_unchanged_are_not_read_again(archive: Path) -> None:
    first = hash_sources(list_sources([str(archive)]), PageSettings())
    for path in (archive / "a.txt", archive / "b" / "c.pdf"):
        before = path.stat()
        path.write_text("six")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(archive / "b" / "c.pdf")
    again = hash_sources(list_sources([str(archive)]), PageSettings(), known_of(first)).to_pylist()
    found = dict(zip(names([row["source"] for row in again], archive), (row["doc_id"] for row in again), strict=True))
    assert found["a.txt"] == hashlib.sha256(b"one").hexdigest()  # not noticed: same size, same time
    assert found["b/c.pdf"] == hashlib.sha256(b"six").hexdigest()
