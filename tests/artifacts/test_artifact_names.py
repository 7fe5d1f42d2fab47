"""Names and paths: whatever could leave a folder, hide, or turn into another one is refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import treering
from treering.artifacts.manifest import Entry, Reference, encode_manifest
from treering.artifacts.names import check_path, check_together, parse_reference
from treering.errors import UsageError
from treering.store import Store

HOSTILE = {
    "../x": r"'\.' or '\.\.'",
    "a/../b": r"'\.' or '\.\.'",
    "./a": r"'\.' or '\.\.'",
    "/etc/passwd": "absolute",
    "//server/share": "absolute",
    "C:/x": "absolute",
    "c:x": "absolute",
    "a\0b": "NUL",
    "..\\x": "backslash",
    "": "empty",
    "a//b": "empty",
    "a/": "empty",
    "CON": "device on Windows",
    "a/nul.txt": "device on Windows",
    "COM1": "device on Windows",
    "lpt9.log": "device on Windows",
    "a.": "dot or a space",
    "a /b": "dot or a space",
    "\uff0e\uff0e/x": "looks like it",
    "\u2025/x": "looks like it",
    "a\uff0fb": "looks like a separator",
    "a\u2215b": "looks like a separator",
    "a\u2044b": "looks like a separator",
    "a\u29f5b": "looks like a separator",
    "a\uff3cb": "looks like a separator",
    "evil\u202etxt.exe": "hide or reorder",
    "a\u200bb": "hide or reorder",
    "\udcff": "no valid Unicode",
    "x" * 256: "longer than 255 bytes",
    "é" * 128: "longer than 255 bytes",
    "/".join("a" * 10_000): "longer than 2048 bytes",
    "/".join("a" * 101): "folders deep",
}
FINE = [
    "a",
    "data/train.csv",
    "with space",
    "ключ 🦉",
    "new\nline",
    "epoch=1-val:0.3.ckpt",
    ".hidden",
    "a..b",
    "console",
    "2024-01-01T10:00:00",
]


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_hostile_paths_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=HOSTILE[path]):
        check_path(path)
    file = tmp_path / "file"
    file.write_text("x")
    artifact = treering.Artifact("a")
    with pytest.raises(UsageError, match=HOSTILE[path]):
        artifact.add_file(file, path)
    with pytest.raises(UsageError, match=HOSTILE[path]), artifact.new_file(path):
        pass


@pytest.mark.parametrize("path", FINE)
def test_other_paths_are_taken(path: str) -> None:
    assert check_path(path) == path


@given(st.text(st.characters(), max_size=30))
def test_no_path_that_is_taken_leaves_the_folder(path: str) -> None:
    try:
        check_path(path)
    except UsageError:
        return
    place = os.path.normpath(os.path.join("/root", path))
    assert place.startswith("/root/")
    assert place == f"/root/{path}"


def test_paths_that_cannot_be_together() -> None:
    check_together(["a", "b/c", "b/d"])
    with pytest.raises(UsageError, match="the same once their letters are composed"):
        check_together(["caf\u00e9", "cafe\u0301"])
    with pytest.raises(UsageError, match="is a file and the folder of another one"):
        check_together(["a", "a/b"])


def test_links_out_of_a_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inside").write_text("x")
    (folder / "link").symlink_to(secret)
    (folder / "near").symlink_to("inside")
    (folder / "up").symlink_to(tmp_path)
    (folder / "broken").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"is a link to .*secret, outside of"):
        treering.Artifact("a").add_dir(folder)
    assert treering.Artifact("a").add_dir(folder, links="skip") == ["inside", "near"]
    assert treering.Artifact("a").add_dir(folder, links="follow") == ["inside", "link", "near"]


def test_a_folder_10000_deep(tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(10_000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    with pytest.raises(UsageError, match="folders deep"):
        treering.Artifact("a").add_dir(top)
    # What pytest's own cleaning cannot.
    import subprocess

    subprocess.run(["rm", "-rf", str(top)], check=True)


def test_a_download_through_a_link_that_lies_there(tmp_path: Path, store_dir: Path) -> None:
    artifact = treering.Artifact("a")
    artifact.add("x", "sub/file.txt")
    artifact.save("p")
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "sub").symlink_to(outside)
    with pytest.raises(UsageError, match="through a link"):
        artifact.download(target)
    refers = treering.Artifact("refers")
    (tmp_path / "source").write_text("x")
    refers.add_reference((tmp_path / "source").as_uri(), "sub/file.txt")
    refers.save("p")
    with pytest.raises(UsageError, match="through a link"):
        refers.download(target)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["../evil", "/tmp/evil", "a/../../evil", "C:evil", "a\0b", "con", "a\uff0f..\uff0fb"])
@pytest.mark.parametrize("refers", [False, True])
def test_a_list_of_files_that_was_tampered_with(path: str, refers: bool, tmp_path: Path, store_dir: Path) -> None:
    """Whoever can write to the store must not be able to write elsewhere through those who read it."""
    (tmp_path / "secret").write_text("x")
    artifact = treering.Artifact("a")
    artifact.add("x", "f")
    artifact.save("p")
    (own,) = artifact._content()
    uri = (tmp_path / "secret").as_uri()
    evil = Entry(path, 1, own.digest, reference=Reference(uri) if refers else None)
    with Store.open(store_dir) as store:
        store.database.execute("UPDATE manifests SET data = :data", {"data": encode_manifest([own, evil])})
    with pytest.raises(UsageError, match="cannot be kept in an artifact"):
        treering.Api(store_dir).version("a").download(tmp_path / "folder" / "out")
    found = {path.name for path in tmp_path.rglob("*") if store_dir not in path.parents}
    assert found <= {"folder", "out", "f.txt", "secret", "store"}
    assert not Path("/tmp/evil").exists()


def test_references_in_words() -> None:
    assert parse_reference("m") == (None, "m", "latest")
    assert parse_reference("m:v3") == (None, "m", "v3")
    assert parse_reference("p/m:best:val/loss") == ("p", "m", "best:val/loss")
    for wrong in ("", ":v1", "m:", "/m"):
        with pytest.raises(UsageError, match="say 'name'"):
            parse_reference(wrong)
