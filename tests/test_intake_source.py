"""Files, folders and encodings of an import."""

import gzip
import json
import os
import zipfile
from pathlib import Path

import pytest

from strijdtaal.errors import DataError, UsageError
from training.intake import source as module
from training.intake.source import HEAD_BYTES, Source, open_sources, other_unicode

SENTENCE = "Oekraïne vraagt om een staakt-het-vuren."
ROW = json.dumps({"text": SENTENCE, "labels": ["ceasefire_call"]}, ensure_ascii=False)


@pytest.fixture
def write(tmp_path):
    def write_file(name, content=ROW):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


class TestFiles:
    def test_files_come_in_the_order_given_and_folders_by_name(self, write, tmp_path):
        for name in ("map/b.jsonl", "map/a/z.jsonl", "map/a.jsonl", "los.jsonl"):
            write(name)
        found = open_sources([tmp_path / "los.jsonl", tmp_path / "map"])
        assert [Path(one.name).relative_to(tmp_path).as_posix() for one in found] == [
            *("los.jsonl", "map/a/z.jsonl", "map/a.jsonl", "map/b.jsonl")
        ]

    def test_hidden_files_and_folders_are_passed_over(self, write, tmp_path):
        for name in (".DS_Store", ".git/a.jsonl", "__MACOSX/a.jsonl", "Thumbs.db", "~$a.xlsx", "a.jsonl"):
            write(name)
        assert [one.path.name for one in open_sources([tmp_path])] == ["a.jsonl"]

    def test_members_of_a_zip_are_named_with_it_and_know_their_neighbours(self, tmp_path):
        path = tmp_path / "export!v1.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.1.txt", SENTENCE)
            archive.writestr("doc.1.ann", "")
            archive.writestr("map/anna.jsonl", ROW)
        text, spans, rows = open_sources([path])
        assert text.name == f"{path}!doc.1.txt"
        assert (text.stem, text.suffix, rows.stem, str(rows.path)) == ("doc.1", ".txt", "anna", "map/anna.jsonl")
        assert spans.sibling(".txt") is text
        assert rows.sibling(".txt") is None

    @pytest.mark.parametrize(
        ("name", "stem", "suffix"),
        [
            ("a/Help!.txt", "Help!", ".txt"),
            ("b.ZIP!c.JSONL", "c", ".jsonl"),
            ("map\\d.txt", "d", ".txt"),
            ("e", "e", ""),
        ],
    )
    def test_stem_and_ending(self, name, stem, suffix):
        assert (Source(name, b"").stem, Source(name, b"").suffix) == (stem, suffix)

    def test_a_name_that_is_not_utf8_is_refused(self, tmp_path):
        path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
        with open(path, "wb") as file:
            file.write(b"Ja.")
        for given in (Path(os.fsdecode(path)), tmp_path):
            with pytest.raises(DataError, match=r"is not UTF-8\. Rename the file or its folder"):
                open_sources([given])

    def test_a_missing_path_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"Cannot read .*weg\.jsonl.*Check the path"):
            open_sources([tmp_path / "weg.jsonl"])

    def test_an_empty_folder_is_named(self, write, tmp_path):
        write(".verborgen")
        with pytest.raises(DataError, match="holds no files"):
            open_sources([tmp_path])

    def test_a_file_given_twice_is_refused_however_it_is_written(self, write, tmp_path):
        path = write("map/a.jsonl")
        for twice in ([path, tmp_path / "map" / ".." / "map" / "a.jsonl"], [tmp_path / "map", path]):
            with pytest.raises(UsageError, match="given twice"):
                open_sources(twice)

    def test_a_symbolic_link_in_a_folder_is_refused(self, write, tmp_path):
        target = write("elders/a.jsonl")
        write("map/b.jsonl")
        (tmp_path / "map" / "c.jsonl").symlink_to(target)
        with pytest.raises(DataError, match=r"c\.jsonl is a symbolic link"):
            open_sources([tmp_path / "map"])

    def test_a_folder_that_is_a_loop_of_links_comes_to_an_end(self, write, tmp_path):
        write("map/b.jsonl")
        (tmp_path / "map" / "lus").symlink_to(tmp_path / "map")
        assert len(open_sources([tmp_path / "map"])) == 1

    def test_an_endless_file_is_read_up_to_the_cap(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 1_000)
        with pytest.raises(DataError, match="/dev/zero has more than 1,000 bytes"):
            open_sources([Path("/dev/zero")])

    def test_a_pipe_can_be_read(self, tmp_path):
        reader, writer = os.pipe()
        try:
            os.write(writer, ROW.encode())
            os.close(writer)
            assert open_sources([Path(f"/dev/fd/{reader}")])[0].text == ROW
        finally:
            os.close(reader)

    def test_caps_for_all_files_together_and_for_their_number(self, write, tmp_path, monkeypatch):
        for number in range(4):
            write(f"{number}.jsonl")
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 3 * len(ROW.encode()))
        with pytest.raises(DataError, match="bytes together"):
            open_sources([tmp_path])
        monkeypatch.setattr(module, "MAX_MEMBERS", 3)
        with pytest.raises(DataError, match="more than 3 files"):
            open_sources([tmp_path])

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.jsonl.gz", gzip.compress(ROW.encode()), r"a\.jsonl\.gz is packed \(gzip\)\. Unpack it first"),
            ("a.7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 20, "7-Zip"),
            ("a.jsonl", b"PK\x03\x04" + b"\0" * 30, r"is a zip archive by its content\. Name it a\.jsonl\.zip"),
            ("a.zip", b"", "no zip archive that can be read"),
        ],
    )
    def test_other_archives_are_named(self, write, name, content, message):
        with pytest.raises(DataError, match=message):
            open_sources([write(name, content)])

    def test_a_workbook_is_left_whole(self, write):
        (found,) = open_sources([write("tabel.xlsx", b"PK\x03\x04 ...")])
        assert found.data == b"PK\x03\x04 ..."


class TestEncodings:
    @pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf-8-sig", "utf_8"])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_utf8_with_and_without_a_mark(self, write, name, mark):
        (found,) = open_sources([write("a.jsonl", mark + ROW.encode())], name)
        assert found.text == ROW
        assert found.head == ROW

    @pytest.mark.parametrize("name", ["cp1252", "latin-1", "utf-16", "utf-16-le", "UTF-16BE", "utf-32", "mac_roman"])
    def test_another_encoding_can_be_named(self, write, name):
        (found,) = open_sources([write("a.jsonl", ROW.encode(name))], name)
        assert found.text == ROW
        assert found.head == ROW

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_a_wrong_byte_is_named_with_its_line(self, write, mark):
        content = mark + "Eén.\nTwee.\n".encode() + "Oekraïne".encode("cp1252")
        (found,) = open_sources([write("a.txt", content)])
        place = content.rindex(b"\xef")
        with pytest.raises(DataError, match=rf"line 3: not utf-8 \(byte 0xef at position {place}\).*--encoding cp1252"):
            _ = found.text

    @pytest.mark.parametrize(
        ("encoding", "advice"),
        [("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("utf-32", "utf-32")],
    )
    def test_utf16_is_recognised_with_and_without_a_mark(self, write, encoding, advice):
        (found,) = open_sources([write("a.jsonl", ROW.encode(encoding))])
        with pytest.raises(DataError, match=rf"is UTF-(16|32).*give --encoding {advice}\."):
            _ = found.text

    @pytest.mark.parametrize("content", [ROW.encode(), b"", b"a\0b", b"PAR1" + b"\1\0\0\0\0\0\0\0" * 400])
    def test_what_is_not_utf16_is_not_taken_for_it(self, content):
        assert other_unicode(content) is None

    def test_utf8_that_is_said_to_be_something_else_is_not_garbled(self, write):
        (found,) = open_sources([write("a.jsonl", b"\xef\xbb\xbf" + ROW.encode())], "cp1252")
        with pytest.raises(DataError, match="begins with the mark of UTF-8"):
            _ = found.text

    @pytest.mark.parametrize("name", ["cp1253x", "utf8x", "", "a\0b", "base64", "unicode_escape", "idna", "../../x"])
    def test_an_unknown_encoding_is_a_wrong_option(self, write, name):
        with pytest.raises(UsageError, match="Unknown --encoding"):
            open_sources([write("a.jsonl")], name)

    def test_the_nearest_encoding_is_suggested(self, write):
        with pytest.raises(UsageError, match=r"Did you mean 'cp1252'\?"):
            open_sources([write("a.jsonl")], "cp-1252")

    def test_the_head_of_a_large_file_is_its_beginning(self):
        assert Source("a.txt", b"a" * (HEAD_BYTES + 5)).head == "a" * HEAD_BYTES
