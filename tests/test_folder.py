"""Artefact folders: all or nothing when written, proved when read."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strijdtaal.errors import StrijdtaalError
from strijdtaal.folder import MANIFEST, FolderError, sha256_of, verify_folder, write_folder

PACKAGE = Path(__file__).resolve().parent.parent / "models"


def make(target, kind="bundle", **extra):
    with write_folder(target, kind, **extra) as work:
        (work / "model.bin").write_bytes(bytes(range(256)))
        (work / "leeg.txt").write_text("")
        (work / "deel").mkdir()
        (work / "deel" / "namen.txt").write_text("dreiging\nsteun\n", "utf-8")
    return target


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path / "b1", note="één")


def change_manifest(folder, change):
    path = folder / MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def start(code, *arguments):
    """Run Python code in a process of its own, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class TestWriting:
    def test_a_written_folder_verifies_and_returns_what_was_added_to_the_manifest(self, folder):
        manifest = verify_folder(folder, "bundle")
        assert manifest["note"] == "één"
        assert manifest["kind"] == "bundle"

    def test_the_manifest_lists_every_file_with_size_and_hash(self, folder):
        files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
        assert sorted(files) == ["deel/namen.txt", "leeg.txt", "model.bin"]
        assert files["model.bin"] == {"bytes": 256, "sha256": sha256_of(folder / "model.bin")}

    def test_the_hash_is_the_sha256_of_the_bytes(self, tmp_path):
        (tmp_path / "a").write_bytes(b"abc")
        expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        assert sha256_of(tmp_path / "a") == expected

    def test_missing_parents_are_made(self, tmp_path):
        verify_folder(make(tmp_path / "x" / "y" / "b1"), "bundle")

    def test_the_target_is_not_there_while_the_writer_works(self, tmp_path):
        target = tmp_path / "b1"
        with write_folder(target, "bundle") as work:
            (work / "a").write_text("a")
            assert not target.exists()
            assert work.parent == target.parent
        assert target.is_dir()
        assert os.listdir(tmp_path) == ["b1"]

    @pytest.mark.parametrize("error", [ValueError("stuk"), KeyboardInterrupt(), FolderError("stuk"), SystemExit(3)])
    def test_an_exception_passes_and_leaves_nothing(self, tmp_path, error):
        def work_that_fails():
            with write_folder(tmp_path / "b1", "bundle") as work:
                (work / "a").write_text("half")
                raise error

        with pytest.raises(type(error)) as caught:
            work_that_fails()
        assert caught.value is error
        assert os.listdir(tmp_path) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_is_told_with_its_reason_and_leaves_nothing(self, tmp_path):
        def work_that_fills_the_disk():
            with write_folder(tmp_path / "b1", "bundle") as work:
                (work / "a").write_text("half")
                Path("/dev/full").write_text("vol")

        with pytest.raises(FolderError) as caught:
            work_that_fills_the_disk()
        assert "No space left" in str(caught.value)
        assert "Nothing was left behind" in str(caught.value)
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("kind", ["folder", "file", "empty folder"])
    def test_an_existing_target_is_refused_and_left_alone(self, tmp_path, kind):
        target = tmp_path / "b1"
        if kind == "file":
            target.write_text("oud")
        else:
            target.mkdir()
        if kind == "folder":
            (target / "oud.txt").write_text("oud")
        with pytest.raises(FolderError, match=r"b1 exists already\. Remove it"):
            make(target)
        assert os.listdir(tmp_path) == ["b1"]
        assert target.is_file() or os.listdir(target) == (["oud.txt"] if kind == "folder" else [])

    def test_of_two_writers_the_first_to_finish_wins_and_the_other_is_told(self, tmp_path):
        target = tmp_path / "b1"
        with pytest.raises(FolderError, match=r"b1 exists already"), write_folder(target, "bundle"):
            make(target, note="snel")
        assert verify_folder(target, "bundle")["note"] == "snel"
        assert os.listdir(tmp_path) == ["b1"]

    def test_a_parent_that_is_a_file_is_named(self, tmp_path):
        (tmp_path / "runs").write_text("")
        with pytest.raises(FolderError, match=r"Cannot write below .*runs.*Check"):
            make(tmp_path / "runs" / "b1")

    def test_errors_are_of_the_family_that_commands_print(self):
        assert issubclass(FolderError, StrijdtaalError)

    def test_a_symbolic_link_does_not_change_the_file_it_points_at(self, tmp_path):
        outside = tmp_path / "geheim"
        outside.write_text("x")
        outside.chmod(0o600)
        with pytest.raises(FolderError, match="symbolic link"), write_folder(tmp_path / "b1", "bundle") as work:
            (work / "koppeling").symlink_to(outside)
        assert stat.S_IMODE(outside.stat().st_mode) == 0o600
        assert not (tmp_path / "b1").exists()


class TestModes:
    @pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
    def mask(self, request):
        before = os.umask(request.param)
        yield request.param
        os.umask(before)

    def test_files_and_folders_get_the_mode_that_the_umask_asks_for(self, tmp_path, mask):
        with write_folder(tmp_path / "b1", "bundle") as work:
            (work / "deel").mkdir()
            for name in ("private", "deel/loose"):
                (work / name).write_text("x")
            (work / "private").chmod(0o600)
            (work / "deel" / "loose").chmod(0o777)
        for path in [tmp_path / "b1", *(tmp_path / "b1").rglob("*")]:
            full = 0o777 if path.is_dir() else 0o666
            assert oct(stat.S_IMODE(path.stat().st_mode)) == oct(full & ~mask), path.name

    def test_the_umask_is_as_before_afterwards(self, tmp_path, mask):
        make(tmp_path / "b1")
        now = os.umask(mask)
        assert now == mask


class TestKilled:
    WRITER = """
import sys
from pathlib import Path
from strijdtaal.folder import write_folder
with write_folder(Path(sys.argv[1]), "bundle") as work:
    with (work / "model.bin").open("wb") as handle:
        handle.write(b"x" * 100_000)
        handle.flush()
        print(work, flush=True)
        sys.stdin.read()
"""
    LOOP = """
import itertools, shutil, sys
from pathlib import Path
from strijdtaal.folder import write_folder
target = Path(sys.argv[1])
for number in itertools.count():
    with write_folder(target, "bundle", number=number) as work:
        for name in "abcdefgh":
            (work / name).write_bytes(b"x" * 50_000)
    print(number, flush=True)
    target.rename(target.with_name("oud"))
    shutil.rmtree(target.with_name("oud"))
"""

    def kill(self, process):
        os.kill(process.pid, signal.SIGKILL)
        process.stdin.close()
        assert process.wait(timeout=30) == -signal.SIGKILL

    def test_a_writer_killed_in_the_middle_leaves_no_target(self, tmp_path):
        target = tmp_path / "b1"
        with start(self.WRITER, target) as process:
            work = Path(process.stdout.readline().strip())
            assert (work / "model.bin").stat().st_size == 100_000
            self.kill(process)
        assert not target.exists()
        with pytest.raises(FolderError, match="unfinished"):
            verify_folder(work, "bundle")

    def test_what_a_killed_writer_left_does_not_stop_the_next_one(self, tmp_path):
        target = tmp_path / "b1"
        with start(self.WRITER, target) as process:
            assert process.stdout.readline()
            self.kill(process)
        verify_folder(make(target), "bundle")

    @pytest.mark.parametrize("rounds", [1, 2, 5])
    def test_a_writer_killed_at_any_moment_leaves_a_whole_target_or_none(self, tmp_path, rounds):
        target = tmp_path / "b1"
        with start(self.LOOP, target) as process:
            for _ in range(rounds):
                assert process.stdout.readline()
            self.kill(process)
        if target.exists():
            assert len(verify_folder(target, "bundle")["files"]) == 8


class TestVerifying:
    @pytest.mark.parametrize("place", [0, 100, 255])
    def test_one_changed_byte_is_found_and_the_file_named(self, folder, place):
        data = bytearray((folder / "model.bin").read_bytes())
        data[place] ^= 1
        (folder / "model.bin").write_bytes(data)
        with pytest.raises(FolderError, match=r"model\.bin was changed.*Restore"):
            verify_folder(folder, "bundle")

    @pytest.mark.parametrize("name", ["model.bin", "leeg.txt", "deel/namen.txt"])
    def test_an_appended_byte_is_found_in_any_file(self, folder, name):
        with (folder / name).open("ab") as handle:
            handle.write(b"\n")
        with pytest.raises(FolderError, match=rf"{name} was changed"):
            verify_folder(folder, "bundle")

    @pytest.mark.parametrize("name", ["model.bin", "leeg.txt", "deel/namen.txt"])
    def test_a_missing_file_is_named(self, folder, name):
        (folder / name).unlink()
        with pytest.raises(FolderError, match=rf"{name} is missing\. Restore the bundle"):
            verify_folder(folder, "bundle")

    @pytest.mark.parametrize("name", ["extra.py", ".verborgen", "deel/extra.bin", "deel/manifest.json"])
    def test_an_added_file_is_named(self, folder, name):
        (folder / name).write_text("x")
        with pytest.raises(FolderError, match=rf"{name} is not in the manifest\. Remove it"):
            verify_folder(folder, "bundle")

    def test_a_subfolder_of_a_later_stage_is_allowed_when_named(self, folder):
        (folder / "eval").mkdir()
        (folder / "eval" / "scores.json").write_text("{}")
        verify_folder(folder, "bundle", added=("eval",))
        with pytest.raises(FolderError, match=r"eval/scores\.json is not in the manifest"):
            verify_folder(folder, "bundle")

    def test_a_symbolic_link_in_place_of_a_file_is_refused_even_with_the_same_content(self, folder, tmp_path):
        (folder / "model.bin").rename(tmp_path / "elders.bin")
        (folder / "model.bin").symlink_to(tmp_path / "elders.bin")
        with pytest.raises(FolderError, match=r"model\.bin is a symbolic link"):
            verify_folder(folder, "bundle")

    def test_a_symbolic_link_in_place_of_a_subfolder_is_refused(self, folder, tmp_path):
        (folder / "deel").rename(tmp_path / "elders")
        (folder / "deel").symlink_to(tmp_path / "elders")
        with pytest.raises(FolderError, match="deel"):
            verify_folder(folder, "bundle")

    def test_an_added_symbolic_link_is_refused(self, folder, tmp_path):
        (folder / "koppeling").symlink_to(tmp_path)
        with pytest.raises(FolderError, match="koppeling is not in the manifest"):
            verify_folder(folder, "bundle")

    def test_a_manifest_that_is_a_symbolic_link_is_refused(self, folder, tmp_path):
        (folder / MANIFEST).rename(tmp_path / "elders.json")
        (folder / MANIFEST).symlink_to(tmp_path / "elders.json")
        with pytest.raises(FolderError, match=r"manifest\.json.*symbolic link"):
            verify_folder(folder, "bundle")

    def test_another_kind_is_refused_with_both_kinds_named(self, folder):
        with pytest.raises(FolderError, match="is a 'bundle', not a checkpoint"):
            verify_folder(folder, "checkpoint")

    def test_a_folder_without_manifest_is_called_unfinished(self, folder):
        (folder / MANIFEST).unlink()
        with pytest.raises(FolderError, match=r"has no manifest\.json: it is unfinished or not a bundle"):
            verify_folder(folder, "bundle")

    def test_a_path_that_is_not_a_folder_is_named(self, folder):
        for path in (folder / "weg", folder / "model.bin"):
            with pytest.raises(FolderError, match=f"{path.name} is not a folder"):
                verify_folder(path, "bundle")

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"\xff", b"[1]", b"{}", b'{"kind": "bundle"}', b'{"files": 3}', b"[" * 100_000],
        ids=lambda content: repr(content[:20]),
    )
    def test_a_damaged_manifest_is_refused_by_name(self, folder, content):
        (folder / MANIFEST).write_bytes(content)
        with pytest.raises(FolderError, match=r"manifest\.json cannot be read as a manifest"):
            verify_folder(folder, "bundle")

    @pytest.mark.parametrize("entry", [3, None, "x", [], {}, {"bytes": 256}, {"sha256": "00"}])
    def test_a_manifest_entry_without_size_and_hash_is_refused(self, folder, entry):
        change_manifest(folder, lambda manifest: manifest["files"].update({"model.bin": entry}))
        with pytest.raises(FolderError, match="manifest"):
            verify_folder(folder, "bundle")

    @pytest.mark.parametrize("name", ["../buiten.txt", "/etc/hostname", "deel/../../buiten.txt"])
    def test_a_manifest_cannot_point_outside_the_folder(self, folder, tmp_path, name):
        (tmp_path / "buiten.txt").write_text("x")
        entry = {"bytes": 1, "sha256": sha256_of(tmp_path / "buiten.txt")}
        change_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))
        with pytest.raises(FolderError, match="is missing"):
            verify_folder(folder, "bundle")
