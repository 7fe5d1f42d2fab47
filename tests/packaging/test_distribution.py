"""What a user installs is this tree: sdist, the wheel made from it, the wheel made here, the editable install."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys, hatchling.build as build; print(getattr(build, 'build_' + sys.argv[1])(sys.argv[2]))"


def build(kind: str, tree: Path, target: Path) -> Path:
    """Build the sdist, wheel or editable wheel of `tree` as an installer would, with what is installed here."""
    target.mkdir(exist_ok=True)
    command = [sys.executable, "-c", BUILD, kind, str(target)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def sdist_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder)) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)
    (tree,) = (path for path in folder.iterdir() if path.is_dir())
    return tree


@pytest.fixture(scope="module")
def wheel_from_sdist(sdist_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", sdist_tree, tmp_path_factory.mktemp("wheel"))


def shipped_files() -> dict[str, bytes]:
    """The package as the tree has it: path inside an installation -> content."""
    found: dict[str, bytes] = {}
    for folder, prefix in (("treering", ""), ("callbacks", "treering/"), ("integrations", "treering/")):
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                path = Path(parent, name)
                found[prefix + path.relative_to(ROOT).as_posix()] = path.read_bytes()
    return found


def wheel_files(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_from_the_sdist_is_the_tree(wheel_from_sdist: Path) -> None:
    expected, found = shipped_files(), wheel_files(wheel_from_sdist)
    assert sorted(found) == sorted(expected)
    assert found == expected


def test_the_wheel_from_the_tree_is_the_same(wheel_from_sdist: Path, tmp_path: Path) -> None:
    assert wheel_files(build("wheel", ROOT, tmp_path)) == wheel_files(wheel_from_sdist)


@pytest.mark.parametrize(
    "name",
    [
        "tests/conftest.py",
        "noxfile.py",
        "constraints.txt",
        ".ci/run",
        "ui/package-lock.json",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
    ],
)
def test_the_sdist_can_be_worked_with(sdist_tree: Path, name: str) -> None:
    assert (sdist_tree / name).read_bytes() == (ROOT / name).read_bytes()


WHERE = """
import sys
sys.path[:0] = [{first!r}]
sys.path.append({packages!r})
import treering.callbacks, treering.integrations
print(treering.__file__)
print(treering.callbacks.__file__)
"""


def imported_from(first: Path) -> list[str]:
    """Where a Python with `first` in front of the installed dependencies finds us; other editable installs are off."""
    code = WHERE.format(first=str(first), packages=sysconfig.get_paths()["purelib"])
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_an_installed_wheel_is_imported_whole(wheel_from_sdist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel_from_sdist) as archive:
        archive.extractall(tmp_path)
    package = tmp_path / "treering"
    assert imported_from(tmp_path) == [str(package / "__init__.py"), str(package / "callbacks" / "__init__.py")]


def test_an_editable_install_leads_to_the_tree(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("editable", ROOT, tmp_path)) as archive:
        (path_file,) = (name for name in archive.namelist() if name.endswith(".pth"))
        leads_to = archive.read(path_file).decode().strip()
    assert Path(leads_to) == ROOT
    package = ROOT / "treering"
    assert imported_from(ROOT) == [str(package / "__init__.py"), str(package / "callbacks" / "__init__.py")]
