"""Configuration: one YAML file a run, typed and closed; all faults come in one message.

A config file says only what differs from the base it ``extends`` (``configs/default.yaml`` when it
names none). Values on the command line (``train.seed=2``) come last. Every key must be known to the
pydantic model; none has a default in code, so that ``configs/default.yaml`` is the one place to look.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from strijdtaal.errors import UsageError, nearest

ROOT = Path(__file__).resolve().parent.parent
MAX_CONFIG_BYTES = 100_000

Model = TypeVar("Model", bound=BaseModel)
Tree = dict[str, Any]


class Section(BaseModel):
    """A part of a configuration: closed (unknown keys are refused) and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("must not be yes or no (YAML reads yes, no, on and off so; use quotes for text)")
        return value


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases (no billion laughs) and without duplicate keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not allowed in a config", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is not text; write it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return {str(key): value for key, value in super().construct_mapping(node, deep=deep).items()}


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # The last four come out of PyYAML's constructors: impossible dates, huge integers, deep nesting.
        detail = " ".join(str(error).split())
        raise UsageError(f"{where} is not valid YAML: {detail}") from error


def _read_tree(path: Path) -> Tree:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read config {path}: {error.strerror}. Check the path.") from error
    except ValueError as error:  # a NUL or a lone surrogate in the name
        raise UsageError(f"{str(path)!r} cannot be the name of a config file: {error}.") from error
    if len(raw) > MAX_CONFIG_BYTES:
        raise UsageError(f"Config {path} has {len(raw):,} bytes; at most {MAX_CONFIG_BYTES:,}.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"Config {path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    tree = _parse_yaml(text, f"Config {path}")
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise UsageError(f"Config {path} must be a mapping of keys, found {type(tree).__name__}.")
    return tree


def _merge(base: Tree, over: Tree) -> Tree:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _read_with_base(path: Path, default_base: Path, seen: tuple[Path, ...] = ()) -> Tree:
    path = path.resolve()
    if path in seen:
        raise UsageError(f"Config {path} extends itself: {' -> '.join(p.name for p in (*seen, path))}.")
    tree = _read_tree(path)
    named = tree.pop("extends", None)
    if named is None:
        if path == default_base.resolve():
            return tree
        base = default_base
    elif isinstance(named, str) and named.isprintable():
        base = path.parent / named
    else:
        raise UsageError(f"Config {path}: 'extends' must name a YAML file, found {named!r}.")
    return _merge(_read_with_base(base, default_base, (*seen, path)), tree)


def _apply_overrides(tree: Tree, overrides: list[str]) -> Tree:
    for item in overrides:
        key, separator, raw = item.partition("=")
        if not separator or not key:
            raise UsageError(f"'{item}' is not an override. Write section.key=value, e.g. train.seed=2.")
        value: Any = _parse_yaml(raw, f"The value of {key}") if raw else ""
        tree = _assign(tree, key.split("."), value)
    return tree


def _assign(tree: Tree, parts: list[str], value: Any) -> Tree:
    """A copy of ``tree`` with the value at a dotted key replaced as a whole."""
    first, *rest = parts
    below = tree.get(first)
    return {**tree, first: _assign(below if isinstance(below, dict) else {}, rest, value) if rest else value}


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names allowed at the level that ``location`` points into."""
    current: type[BaseModel] = model
    for part in location[:-1]:
        field = current.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        current = annotation
    return list(current.model_fields)


def _explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "(whole config)"
        if fault["type"] == "extra_forbidden":
            hint = nearest(str(fault["loc"][-1]), _known_keys(model, fault["loc"]))
            lines.append(f"  {key}: unknown key.{hint}")
        elif fault["type"] == "missing":
            lines.append(f"  {key}: missing. See configs/default.yaml for what it means.")
        else:
            found = "" if isinstance(fault["input"], dict) else f" (found {str(fault['input'])[:80]!r})"
            lines.append(f"  {key}: {fault['msg'].removeprefix('Value error, ')}{found}.")
    count = len(lines)
    return f"{where} has {count} fault{'s' if count > 1 else ''}:\n" + "\n".join(lines)


def load_config(path: Path | str, overrides: list[str], model: type[Model], default_base: Path) -> Model:
    """Read ``path``, lay it over its base, apply ``key=value`` overrides and validate.

    Raises:
        UsageError: the file cannot be read, or any key is unknown, missing, of a wrong type or
            out of range; the message lists all faults at once.
    """
    tree = _apply_overrides(_read_with_base(Path(path), default_base), overrides)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UsageError(_explain(error, model, f"Config {path}")) from error


def dump_config(config: BaseModel) -> str:
    """The resolved configuration as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
