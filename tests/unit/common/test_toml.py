# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.common.toml import Table, read_toml


def table(text: str, tmp_path: Path, *known: str) -> Table:
    path = tmp_path / "app.toml"
    path.write_text(text)
    return read_toml(path, known)


def test_an_unknown_key_names_file_key_and_nearest(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match=r"app\.toml: unknown key 'memroy'") as caught:
        table("memroy = 1", tmp_path, "memory", "cpus")
    assert caught.value.hint == "did you mean 'memory'?"


def test_an_unknown_key_of_a_sub_table_is_named_in_full(tmp_path: Path) -> None:
    file = table("[net]\nadress = 1", tmp_path, "net")
    with pytest.raises(RktioError, match=r"'net\.adress'"):
        file.table("net", ("address",))


def test_malformed_toml_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match=r"app\.toml: malformed TOML: .*line 2"):
        table("a = 1\nb = = 2", tmp_path, "a", "b")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match=r"none\.toml"):
        read_toml(tmp_path / "none.toml", ())


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RktioError, match="not UTF-8"):
        read_toml(path, ())


def test_values_come_in_their_type(tmp_path: Path) -> None:
    file = table('a = "x"\nb = 3\nc = true\nd = ["y"]\n[e]\nk = 1', tmp_path, *"abcdef")
    assert file.string("a") == "x"
    assert file.integer("b") == 3
    assert file.boolean("c") is True
    assert file.strings("d") == ["y"]
    assert file.string_map("e") == {"k": "1"}
    assert file.string("f") is None
    assert "f" not in file


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("a = 1", "string"),
        ('a = "1"', "integer"),
        ("a = true", "integer"),
        ("a = 1", "boolean"),
        ("a = [1]", "strings"),
        ("a = 1", "string_map"),
        ("[a]\nb = true", "string_map"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(text: str, method: str, tmp_path: Path) -> None:
    file = table(text, tmp_path, "a")
    with pytest.raises(RktioError, match=r"app\.toml: a.* must be "):
        getattr(file, method)("a")


def test_tables_of_the_wrong_type_are_refused(tmp_path: Path) -> None:
    file = table("a = 1\nb = [2]", tmp_path, "a", "b")
    with pytest.raises(RktioError, match="must be a table"):
        file.table("a", ())
    with pytest.raises(RktioError, match="must be an array of tables"):
        file.tables("b", ())
