"""Zip archives from strangers: opened in memory, no header believed, everything refused by name."""

import struct
import tracemalloc
import warnings
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from training.intake import archive
from training.intake.archive import MAX_RATIO, SMALL, open_zip

PATH = Path("export.zip")
ROW = b'{"text": "Het leger trekt zich terug.", "labels": ["retreat"]}\n'


def packed(members, method=zipfile.ZIP_DEFLATED):
    """An archive of (name or ZipInfo, content)."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # names that stand twice
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def patched(data, local, central, form, value):
    """The archive with one field changed in each header: by its place in the local and in the central one."""
    changed = bytearray(data)
    for magic, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = changed.find(magic)
        while start >= 0 and place is not None:
            struct.pack_into(form, changed, start + place, value)
            start = changed.find(magic, start + 4)
    return bytes(changed)


def with_flags(data, flags):
    return patched(data, 6, 8, "<H", flags)


def with_size(data, size):
    return patched(data, 22, 24, "<I", size)


def with_packed_size(data, size):
    return patched(data, 18, 20, "<I", size)


def with_checksum(data, content):
    return patched(data, 14, 16, "<I", zlib.crc32(content))


def symlink(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info


def refused(data):
    with pytest.raises(DataError) as caught:
        open_zip(PATH, data)
    assert "export.zip" in str(caught.value)
    return str(caught.value)


class TestGood:
    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_files_come_by_name_in_the_order_of_the_archive(self, method):
        members = [("b/anna.jsonl", ROW * 3), ("a.jsonl", ROW), ("b/leeg.jsonl", b"")]
        assert list(open_zip(PATH, packed(members, method)).items()) == members

    def test_what_systems_and_office_programs_leave_behind_is_passed_over(self):
        names = ["__MACOSX/._a.jsonl", ".DS_Store", "map/.hidden/x.jsonl", "Thumbs.db", "~$tabel.xlsx", "map/"]
        assert list(open_zip(PATH, packed([(name, ROW) for name in [*names, "map/a.jsonl"]]))) == ["map/a.jsonl"]

    def test_a_document_that_is_a_zip_by_its_bytes_is_one_file(self):
        sheet = packed([("[Content_Types].xml", b"<Types/>")])
        assert open_zip(PATH, packed([("tabel.xlsx", sheet)])) == {"tabel.xlsx": sheet}

    def test_a_name_that_macos_wrote_is_read_as_utf8(self):
        data = with_flags(packed([("zoë.jsonl", ROW)]), 0)
        assert list(open_zip(PATH, data)) == ["zoë.jsonl"]

    def test_backslashes_of_windows_are_folders(self):
        data = packed([("map_anna.jsonl", ROW)]).replace(b"map_anna", b"map\\anna")
        assert list(open_zip(PATH, data)) == ["map/anna.jsonl"]


class TestNames:
    @pytest.mark.parametrize(
        "name", ["../buiten.jsonl", "a/../../b.jsonl", "/etc/passwd", "C:/x.jsonl", "..\\x.jsonl", "a/.."]
    )
    def test_a_path_that_leads_outside_is_refused(self, name):
        assert "points outside it" in refused(packed([("goed.jsonl", ROW), (name, ROW)]))

    @pytest.mark.parametrize("character", [b"\0", b"\n", b"\x1b", b"\x7f"])
    def test_a_control_character_in_a_name_is_refused(self, character):
        data = packed([("aXb.jsonl", ROW)]).replace(b"aXb", b"a" + character + b"b")
        assert "control characters in its name" in refused(data)

    def test_a_file_without_a_name_is_refused(self):
        data = packed([("X", ROW)])
        nameless = patched(patched(data, 26, 28, "<H", 0), 28, 30, "<H", 1)  # the name becomes an extra field
        for content in (nameless, data.replace(b"X", b".")):
            assert "without a name" in refused(content)

    def test_a_symbolic_link_is_refused(self):
        message = refused(packed([("goed.jsonl", ROW), (symlink("link.jsonl"), b"/etc/passwd")]))
        assert "symbolic link, 'link.jsonl'" in message

    @pytest.mark.parametrize("other", ["a.jsonl", "map\\a.jsonl"])
    def test_a_name_that_stands_twice_is_refused(self, other):
        first = other.replace("\\", "/")
        assert f"two files named '{first}'" in refused(packed([(first, ROW), (other, b"{}")]))


class TestSizes:
    def test_a_zip_bomb_is_refused_before_it_goes_off(self):
        message = refused(packed([("bom.jsonl", b"0" * 50_000_000)]))
        assert "would grow from" in message
        assert "to 50,000,000 bytes" in message

    def test_many_small_members_do_not_get_round_the_ratio(self):
        members = [(f"{number}.jsonl", b"0" * (SMALL - 1)) for number in range(30)]
        assert f"more than {MAX_RATIO} to 1" in refused(packed(members))

    def test_too_many_members_are_refused(self, monkeypatch):
        monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
        assert "holds 4 files; at most 3" in refused(packed([(f"{number}.jsonl", ROW) for number in range(4)]))

    def test_too_many_bytes_in_all_are_refused(self, monkeypatch):
        monkeypatch.setattr(archive, "MAX_FILE_BYTES", 4 * len(ROW))
        members = [(f"{number}.jsonl", ROW) for number in range(5)]
        assert f"unpacks to {5 * len(ROW)} bytes; at most {4 * len(ROW)}" in refused(packed(members))

    @pytest.mark.parametrize(("rows", "message"), [(200, "unpacks to more bytes than the 63 that"), (9, "Bad CRC-32")])
    def test_a_header_that_states_too_little_is_found_out(self, rows, message):
        data = with_checksum(with_size(packed([("a.jsonl", ROW * rows)]), len(ROW)), ROW)
        with zipfile.ZipFile(BytesIO(data)) as file:
            assert file.read("a.jsonl") == ROW  # the standard library cuts it off without a word
        assert message in refused(data)

    def test_a_bomb_behind_a_small_header_stays_small_in_memory(self):
        bomb = b"0" * 60_000_000
        data = with_checksum(with_size(packed([("a.jsonl", bomb)]), 1_000), bomb[:1_000])
        del bomb
        tracemalloc.start()
        try:
            assert "unpacks to more bytes" in refused(data)
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()

    def test_a_header_that_states_too_much_is_found_out(self):
        assert "unpacks to fewer bytes" in refused(with_size(packed([("a.jsonl", ROW)]), len(ROW) + 1))

    def test_a_packed_size_that_the_archive_does_not_have_is_refused(self):
        data = with_packed_size(packed([("a.jsonl", b"0" * 900_000)]), 4_000_000)
        assert "overlap, or is cut off" in refused(data)

    def test_members_that_share_their_bytes_are_refused(self):
        data = packed([("a.jsonl", bytes(range(256)) * 40)], zipfile.ZIP_STORED)
        start = data.find(b"PK\x01\x02")
        end = data.find(b"PK\x05\x06")
        entry = data[start:end]
        trailer = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 2, 2, 2 * len(entry), start, 0)
        assert "overlap" in refused(data[:start] + entry + entry.replace(b"a.jsonl", b"b.jsonl") + trailer)


class TestKinds:
    def test_an_encrypted_member_is_named(self):
        assert "'a.jsonl' is encrypted" in refused(with_flags(packed([("a.jsonl", ROW)]), 1))

    @pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_LZMA, "lzma"), (zipfile.ZIP_BZIP2, "bzip2")])
    def test_other_methods_of_packing_are_named(self, method, name):
        assert f"'a.jsonl' is packed by {name}" in refused(packed([("a.jsonl", ROW)], method))

    def test_an_archive_in_the_archive_is_refused(self):
        message = refused(packed([("annotation/doc1.txt/anna.zip", packed([("anna.xmi", b"<x/>")]))]))
        assert "holds another archive, 'annotation/doc1.txt/anna.zip'. Unpack it" in message

    @pytest.mark.parametrize("members", [[], [("map/", b"")], [("__MACOSX/._a", ROW)]])
    def test_an_archive_without_files_is_refused(self, members):
        assert "holds no files" in refused(packed(members))

    def test_what_is_no_archive_is_refused(self):
        assert "no zip archive that can be read" in refused(b"<html>404</html>")


class TestDamage:
    def test_a_flipped_bit_in_the_packed_bytes_is_found(self):
        data = bytearray(packed([("a.jsonl", ROW)]))
        data[45] ^= 0xFF
        assert "Is it cut off?" in refused(bytes(data))

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
    def test_an_archive_that_is_cut_off_is_refused(self, share):
        data = packed([(f"{number}.jsonl", ROW * 5) for number in range(5)])
        assert "Is it cut off?" in refused(data[: int(len(data) * share)])

    @settings(max_examples=400, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 40))
    def test_whatever_is_changed_gives_the_contents_or_a_message(self, changes, cut):
        members = [("a.jsonl", ROW), ("map/b.jsonl", ROW * 20)]
        data = bytearray(packed(members))
        for place, value in changes:
            data[place % len(data)] = value
        with suppress(DataError):  # anything else fails the test
            found = open_zip(PATH, bytes(data[: len(data) - cut]))
            assert set(found.values()) <= {content for _, content in members}
