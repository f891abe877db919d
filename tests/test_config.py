"""Configuration files: closed, explained, and the same after a round trip."""

import os

import pytest
import yaml
from pydantic import BaseModel

from strijdtaal.errors import UsageError
from training.config import MAX_CONFIG_BYTES, ROOT, dump_config, load_config
from training.settings import DEFAULT, RunConfig, load_run_config


@pytest.fixture
def load(tmp_path):
    """Write a config and load it: a text, or bytes, then overrides."""

    def write_and_load(content, *overrides):
        path = tmp_path / "run.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_run_config(path, list(overrides))

    return write_and_load


@pytest.fixture
def refused(load, tmp_path):
    """The message with which a config is refused; it must name the file."""

    def message(content, *overrides):
        with pytest.raises(UsageError) as caught:
            load(content, *overrides)
        assert str(tmp_path / "run.yaml") in str(caught.value)
        return str(caught.value)

    return message


def leaves(model, prefix=""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


class TestDefault:
    def test_the_default_config_is_valid(self):
        config = load_run_config(DEFAULT, [])
        assert config.folder == config.output / config.name

    def test_no_key_has_a_default_in_code(self):
        assert [key for key, field in leaves(RunConfig) if not field.is_required()] == []

    def test_every_shipped_config_is_valid(self):
        shipped = sorted((ROOT / "configs").glob("*.yaml"))
        assert DEFAULT in shipped
        assert [load_run_config(path, []).name for path in shipped]

    def test_an_empty_config_is_the_default(self, load):
        assert load("") == load_run_config(DEFAULT, [])
        assert load("# alleen uitleg\n") == load_run_config(DEFAULT, [])

    def test_a_config_cannot_be_changed_after_loading(self):
        config = load_run_config(DEFAULT, [])
        with pytest.raises(ValueError, match="frozen"):
            config.train.seed = 2


class TestValues:
    @pytest.mark.parametrize("value", ["3e-5", "3E-5", "0.00003", "3.0e-05"])
    def test_a_number_with_an_exponent_is_a_number_in_the_file_and_on_the_command_line(self, load, value):
        assert load(f"train: {{lr: {value}}}").train.lr == 3e-5
        assert load("", f"train.lr={value}").train.lr == 3e-5

    def test_the_threshold_is_a_number_or_the_word_validation(self, load, refused):
        assert load("", "decision.threshold=5e-1").decision.threshold == 0.5
        assert load("decision: {threshold: validation}").decision.threshold == "validation"
        assert "decision.threshold" in refused("decision: {threshold: test}")

    @pytest.mark.parametrize(
        ("override", "key"),
        [
            *[("train.lr=0", "train.lr"), ("train.lr=.nan", "train.lr"), ("train.epochs=.inf", "train.epochs")],
            *[
                ("train.seed=-1", "train.seed"),
                ("train.seed=4294967296", "train.seed"),
                ("train.seed=1.5", "train.seed"),
            ],
            *[("train.seed=", "train.seed"), ("train.seed.x=3", "train.seed"), ("train=null", "train")],
            *[("data.files=[]", "data.files"), ("data.files=seeds", "data.files"), ("data.test=0", "data.test")],
            *[("network.dropout=1", "network.dropout"), ("network.max_length=7", "network.max_length")],
            *[("decision.threshold=1.0", "decision.threshold"), ("decision.threshold=0", "decision.threshold")],
        ],
    )
    def test_a_value_out_of_range_or_of_another_type_is_refused_by_key(self, refused, override, key):
        assert f"\n  {key}" in refused("", override)

    @pytest.mark.parametrize("name", ["../weg", "a/b", ".verborgen", "", "a b", "x" * 82])
    def test_a_run_name_cannot_be_a_path(self, refused, name):
        assert "\n  name: " in refused(yaml.safe_dump({"name": name}))

    @pytest.mark.parametrize("revision", ["main", "a" * 39, "A" * 40, "g" * 40])
    def test_a_revision_is_forty_hex_digits_or_empty(self, load, refused, revision):
        assert "network.revision" in refused("", f"network.revision='{revision}'")
        assert load("", "network.revision='" + "0a" * 20 + "'").network.revision == "0a" * 20
        assert load("", "network.revision=").network.revision == ""

    def test_accumulation_must_come_out_whole(self, load, refused):
        assert "multiple of micro_batch_size" in refused("train: {batch_size: 32, micro_batch_size: 5}")
        assert load("train: {batch_size: 8, micro_batch_size: 32}").train.batch_size == 8

    def test_a_tenth_must_remain_for_training(self, refused):
        assert "less than a tenth for training" in refused("data: {validation: 0.5, test: 0.45}")


class TestFaults:
    @pytest.mark.parametrize(
        ("content", "key", "hint"),
        [
            ("trian: {seed: 1}", "trian", "train"),
            ("train: {sead: 1}", "train.sead", "seed"),
            ("network: {max_lenght: 64}", "network.max_lenght", "max_length"),
            ("decision: {treshold: 0.5}", "decision.treshold", "threshold"),
        ],
    )
    def test_an_unknown_key_is_named_with_the_nearest_known_one(self, refused, content, key, hint):
        assert f"\n  {key}: unknown key. Did you mean '{hint}'?" in refused(content)

    def test_an_unknown_key_that_resembles_nothing_gets_no_guess(self, refused):
        message = refused("qqqq: 1")
        assert "qqqq: unknown key." in message
        assert "Did you mean" not in message

    def test_the_guess_comes_from_the_level_of_the_fault(self, refused):
        assert "Did you mean" not in refused("data: {threshold: 0.5}")

    def test_an_unknown_key_on_the_command_line_is_named(self, refused):
        assert "train.epoch: unknown key. Did you mean 'epochs'?" in refused("", "train.epoch=3")

    def test_all_faults_come_in_one_message(self, refused):
        message = refused("trian: 1\ndata: {sead: 1}\ntrain: {lr: hoog, schedule: lineair}", "train.seed=-1")
        assert "has 5 faults" in message
        for key in ("trian", "data.sead", "train.lr", "train.schedule", "train.seed"):
            assert f"\n  {key}: " in message
        assert "'hoog'" in message
        assert "'linear', 'cosine' or 'constant'" in message

    def test_a_single_fault_is_counted_in_the_singular(self, refused):
        assert "has 1 fault:" in refused("trian: 1")

    def test_a_missing_key_points_at_the_file_that_explains_it(self, tmp_path):
        path = tmp_path / "onvolledig.yaml"
        tree = yaml.safe_load(DEFAULT.read_text("utf-8"))
        del tree["train"]["seed"], tree["decision"]
        path.write_text(yaml.safe_dump(tree), "utf-8")
        with pytest.raises(UsageError) as caught:
            load_config(path, [], RunConfig, default_base=path)
        message = str(caught.value)
        assert f"{path} has 2 faults" in message
        assert "\n  train.seed: missing. See configs/default.yaml" in message
        assert "\n  decision: missing. See configs/default.yaml" in message


class TestFile:
    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(UsageError, match=r"Cannot read config .*weg\.yaml.*Check the path"):
            load_run_config(tmp_path / "weg.yaml", [])

    @pytest.mark.parametrize("content", ["train: {seed: 1, seed: 2}", "name: a\nname: b", "train:\n  lr: 1\n  lr: 1"])
    def test_a_duplicate_key_is_refused_with_its_place(self, refused, content):
        message = refused(content)
        assert "stands twice" in message
        assert "line" in message

    @pytest.mark.parametrize(
        "content", ["data: &a {seed: 1}\ntrain: *a", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "a: &a [*a]"]
    )
    def test_an_alias_is_refused(self, refused, content):
        assert "aliases (*name) are not allowed" in refused(content)

    def test_a_merge_key_is_refused(self, refused):
        assert "merge" in refused("train:\n  <<: {seed: 2}")

    @pytest.mark.parametrize(
        "tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir"]
    )
    def test_a_python_tag_is_refused_and_not_carried_out(self, refused, tmp_path, tag):
        message = refused(f"name: {tag} ['{tmp_path / 'gemaakt'}']")
        assert "python" in message
        assert os.listdir(tmp_path) == ["run.yaml"]

    def test_a_python_tag_on_the_command_line_is_refused(self, load, tmp_path):
        with pytest.raises(UsageError, match=r"The value of name is not valid YAML.*python"):
            load("", f"name=!!python/object/apply:os.mkdir ['{tmp_path / 'gemaakt'}']")
        assert not (tmp_path / "gemaakt").exists()

    def test_text_that_is_not_utf8_is_refused_with_byte_and_remedy(self, refused):
        message = refused("name: café".encode("latin-1"))
        assert "not UTF-8 (byte 9)" in message
        assert "Save it as UTF-8" in message

    def test_a_byte_order_mark_is_accepted(self, load):
        assert load(b"\xef\xbb\xbfname: kiev").name == "kiev"

    @pytest.mark.parametrize("content", ["- a\n- b", "tekst", "3"])
    def test_a_config_must_be_a_mapping(self, refused, content):
        assert "must be a mapping of keys" in refused(content)

    @pytest.mark.parametrize("content", ["train: {seed: 1", "name: 'a", "a: b: c", "\tname: x", b"name: a\x00b"])
    def test_broken_yaml_is_refused(self, refused, content):
        assert "is not valid YAML" in refused(content)

    @pytest.mark.parametrize("content", ["on: 1", "null: 1", "1.5: x", "? [a]\n: 1"])
    def test_a_key_that_yaml_does_not_read_as_text_is_refused(self, refused, content):
        assert "is not text; write it in quotes" in refused(content)

    def test_a_file_beyond_the_limit_is_refused_unread(self, refused):
        assert f"at most {MAX_CONFIG_BYTES:,}" in refused("#" * (MAX_CONFIG_BYTES + 1))

    @pytest.mark.parametrize(
        "content",
        [
            *["name: " + "[" * 20_000, "a: {" * 20_000, "- " * 20_000],
            *["name: 2020-13-45", "name: !!int x", "name: !!float x", "name: !!bool x", "name: !!timestamp x"],
            "train: {seed: " + "9" * 5_000 + "}",
        ],
        ids=lambda content: content[:22],
    )
    def test_hostile_or_impossible_yaml_is_refused_as_any_other_fault(self, refused, content):
        assert refused(content)


class TestExtends:
    def test_a_config_says_only_what_differs(self, load):
        config = load("train: {seed: 7}")
        default = load_run_config(DEFAULT, [])
        assert config.train.seed == 7
        assert config.train.model_copy(update={"seed": default.train.seed}) == default.train
        assert config.data == default.data

    def test_a_named_base_is_found_beside_the_file_and_laid_over_the_default(self, load, tmp_path):
        (tmp_path / "basis.yaml").write_text("name: basis\ntrain: {seed: 7, epochs: 2}")
        config = load("extends: basis.yaml\ntrain: {epochs: 3}")
        assert (config.name, config.train.seed, config.train.epochs) == ("basis", 7, 3)
        assert config.network == load_run_config(DEFAULT, []).network

    def test_a_chain_of_bases_is_followed(self, load, tmp_path):
        (tmp_path / "deel").mkdir()
        (tmp_path / "deel" / "een.yaml").write_text("extends: ../twee.yaml\ntrain: {seed: 1}")
        (tmp_path / "twee.yaml").write_text("train: {seed: 2, threads: 2}")
        config = load("extends: deel/een.yaml")
        assert (config.train.seed, config.train.threads) == (1, 2)

    def test_a_list_replaces_the_list_of_the_base(self, load):
        assert [str(path) for path in load("data: {files: [a.jsonl]}").data.files] == ["a.jsonl"]

    def test_a_circle_is_refused_with_its_members(self, refused, tmp_path):
        (tmp_path / "basis.yaml").write_text("extends: run.yaml")
        message = refused("extends: basis.yaml")
        assert "extends itself: run.yaml -> basis.yaml -> run.yaml" in message

    def test_a_config_cannot_extend_itself(self, refused):
        assert "extends itself" in refused("extends: run.yaml")

    def test_a_base_that_does_not_exist_is_named(self, load):
        with pytest.raises(UsageError, match=r"Cannot read config .*weg\.yaml"):
            load("extends: weg.yaml")

    @pytest.mark.parametrize("value", ["[a.yaml]", "3", "{a: b}"])
    def test_extends_must_name_one_file(self, refused, value):
        assert "'extends' must name a YAML file" in refused(f"extends: {value}")

    def test_a_path_that_no_file_can_have_is_refused(self, refused):
        assert refused('extends: "a\\0b"')


class TestOverrides:
    def test_the_command_line_comes_last_and_the_last_one_wins(self, load):
        assert load("train: {seed: 7}", "train.seed=8", "train.seed=9").train.seed == 9

    def test_an_override_changes_nothing_else(self, load):
        changed = load("", "train.seed=9").model_dump()
        expected = load("").model_dump()
        expected["train"]["seed"] = 9
        assert changed == expected

    def test_a_value_may_hold_an_equals_sign(self, load):
        assert load("", "output=runs/a=b").output.name == "a=b"

    def test_a_list_can_be_given(self, load):
        assert len(load("", "data.files=[a.jsonl, b.jsonl]").data.files) == 2

    @pytest.mark.parametrize("item", ["train.seed", "=2", "", "--seed"])
    def test_what_is_not_an_override_is_refused_with_an_example(self, load, item):
        with pytest.raises(UsageError, match=r"is not an override.*train\.seed=2"):
            load("", item)

    def test_an_empty_part_of_a_key_is_refused(self, refused):
        assert "\n  train.: unknown key" in refused("", "train..seed=3")

    def test_broken_yaml_in_a_value_names_the_key(self, load):
        with pytest.raises(UsageError, match=r"The value of train\.seed is not valid YAML"):
            load("", "train.seed=[1")


class TestDump:
    @pytest.mark.parametrize(
        "overrides",
        [
            [],
            ["train.lr=3e-5", "train.weight_decay=0", "train.seed=4294967295", "train.epochs=0.5"],
            ["decision.threshold=0.35", "network.revision='" + "1" * 40 + "'"],
            ["network.revision='" + "1e" * 20 + "'", "name='0e5'"],
            *[[f"name='{name}'"] for name in ("yes", "null", "1e5", "007", "2020-05-22", "1.5")],
            ["output=/tmp/één map", "data.files=['a: b.jsonl', 'x #1.jsonl']", "data.held_out=[]"],
        ],
        ids=lambda overrides: " ".join(overrides)[:40] or "default",
    )
    def test_the_resolved_config_loads_again_to_the_same(self, load, overrides):
        config = load("", *overrides)
        text = dump_config(config)
        again = load(text)
        assert again == config
        assert dump_config(again) == text

    def test_the_dump_holds_every_key(self, load):
        tree = yaml.safe_load(dump_config(load("")))
        for key, _ in leaves(RunConfig):
            level = tree
            for part in key.split("."):
                level = level[part]
