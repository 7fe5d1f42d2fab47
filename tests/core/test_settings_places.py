from __future__ import annotations

import sys
from pathlib import Path

import pytest

from treering.errors import UsageError
from treering.places import find_store, is_network_file_system, user_data_folder
from treering.settings import Settings, resolve


def find(cwd: Path, environ: dict[str, str] | None = None, **arguments: object) -> Path:
    environ = {"HOME": "/homes/me"} if environ is None else environ
    return find_store(resolve(arguments, cwd=cwd, environ=environ), cwd, environ)


def test_named_folder_first(tmp_path: Path) -> None:
    (tmp_path / ".treering").mkdir()
    assert find(tmp_path, dir="new/store") == tmp_path / "new" / "store"
    assert find(tmp_path, {"TREERING_DIR": "/else/where"}) == Path("/else/where")
    assert find_store(Settings(dir=Path("x")), tmp_path, {}) == tmp_path / "x"
    assert [path.name for path in tmp_path.iterdir()] == [".treering"]


def test_named_folder_that_holds_a_store(tmp_path: Path) -> None:
    (tmp_path / ".treering").mkdir()
    assert find(tmp_path, dir=".") == tmp_path / ".treering"
    (tmp_path / "treering.db").touch()
    assert find(tmp_path, dir=".") == tmp_path


def test_nearest_parent(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / ".treering").mkdir()
    assert find(below) == tmp_path / ".treering"
    (tmp_path / "a" / ".treering").mkdir()
    assert find(below) == tmp_path / "a" / ".treering"


def test_users_data_folder_last(tmp_path: Path) -> None:
    assert find(tmp_path) == Path("/homes/me/.local/share/treering")
    assert find(tmp_path, {"HOME": "/homes/me", "XDG_DATA_HOME": "/data"}) == Path("/data/treering")
    assert find(tmp_path, {"HOME": "/homes/me", "XDG_DATA_HOME": "data"}) == Path("/homes/me/.local/share/treering")
    assert list(tmp_path.iterdir()) == []


def test_other_platforms() -> None:
    home = {"HOME": "/Users/me", "LOCALAPPDATA": "C:/Users/me/AppData/Local"}
    assert user_data_folder(home, "darwin") == Path("/Users/me/Library/Application Support/treering")
    assert user_data_folder(home, "win32") == Path("C:/Users/me/AppData/Local/treering")


def test_no_home_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no home folder\. Name the store's folder with dir= or TREERING_DIR"):
        find(tmp_path, dir="~nobody-of-this-name/store")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for named in ("taken", "taken/below"):
        with pytest.raises(UsageError) as caught:
            find(tmp_path, {"TREERING_DIR": named})
        assert str(caught.value).startswith("TREERING_DIR says that the store is")
        assert f"{tmp_path / 'taken'} is a file" in str(caught.value)
    (tmp_path / ".treering").symlink_to("nowhere")
    with pytest.raises(UsageError, match="is a broken link"):
        find(tmp_path)


MOUNTS = r"""22 27 0:20 / /proc rw,nosuid - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /home rw - nfs4 filer:/home rw,vers=4.2
31 30 0:41 / /home/local rw - xfs /dev/sdb rw
32 27 0:42 / /mnt/with\040space rw - cifs //server/share rw
33 27 0:43 / /scratch rw master:2 propagate_from:1 - lustre mgs@tcp:/scratch rw
34 27 0:44 / /mnt/ssh rw - fuse.sshfs me@host:/ rw
35 27 0:45 / /mnt/usb rw - fuseblk /dev/sdc1 rw
36 27 0:46 / /mnt/unknown rw - fuse.somecloud somecloud rw
37 27 0:47 / /mnt/merged rw - fuse.mergerfs a:b rw
38 27 0:48 / /over rw - nfs filer:/over rw
39 38 0:49 / /over rw - tmpfs tmpfs rw
40 27 0:50 / /mnt/plain-fuse rw - fuse drive rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", False),
        ("/homework", False),
        ("/home", True),
        ("/home/me/not/there/yet", True),
        ("/home/local/x", False),
        ("/mnt/with space/x", True),
        ("/scratch/x", True),
        ("/mnt/ssh/x", True),
        ("/mnt/usb/x", False),
        ("/mnt/unknown/x", True),
        ("/mnt/merged/x", False),
        ("/over/x", False),
        ("/mnt/plain-fuse/x", True),
    ],
)
def test_network_file_systems(path: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert is_network_file_system(path, str(tmp_path / "mountinfo")) is expected


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(
        f"27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 0:1 / {tmp_path}/far rw - nfs x rw\n"
    )
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to("far")
    assert is_network_file_system(tmp_path / "near" / "x", str(tmp_path / "mountinfo"))
    assert not is_network_file_system(tmp_path, str(tmp_path / "mountinfo"))


def test_no_or_odd_list_of_mounts(tmp_path: Path) -> None:
    assert not is_network_file_system("/", str(tmp_path / "none"))
    (tmp_path / "mountinfo").write_bytes(b"\xff\n\nshort - nfs\n")
    assert not is_network_file_system("/", str(tmp_path / "mountinfo"))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's list of mounts is Linux's")
def test_this_machines_memory_file_system_is_local() -> None:
    assert not is_network_file_system("/dev/shm/x")
