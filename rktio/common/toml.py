# SPDX-License-Identifier: Apache-2.0
"""Strict TOML: a mistake names the file, the key and what was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError


def read_toml(path: Path, known: Collection[str]) -> Table:
    """Read `path`, whose top level may hold only the `known` keys."""
    import tomllib

    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RktioError(f"{path}: not UTF-8 text", hint="TOML files are UTF-8") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RktioError(f"{path}: malformed TOML: {error}") from error
    return Table(path, "", data, known)


class Table:
    """One table of a TOML file, with typed access; unknown keys are refused at once."""

    def __init__(
        self, path: Path, name: str, data: Mapping[str, Any], known: Collection[str]
    ) -> None:
        self._path = path
        self._name = name
        self._data = data
        for key in data:
            if key not in known:
                raise self._unknown(key, known)

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def keys(self) -> list[str]:
        """Return the keys in the order of the file."""
        return list(self._data)

    def string(self, key: str) -> str | None:
        """Return a string, or None where the key is absent."""
        value = self._data.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def integer(self, key: str) -> int | None:
        """Return an integer, or None where the key is absent."""
        value = self._data.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self.wrong(key, "an integer")
        return value

    def number(self, key: str) -> float | None:
        """Return an integer or a fraction, or None where the key is absent."""
        value = self._data.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.wrong(key, "a number")
        return None if value is None else float(value)

    def boolean(self, key: str) -> bool | None:
        """Return true or false, or None where the key is absent."""
        value = self._data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def strings(self, key: str) -> list[str] | None:
        """Return a list of strings, or None where the key is absent."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a list of strings")
        return list(value)

    def string_map(self, key: str) -> dict[str, str] | None:
        """Return a table of free keys; integers among its values become strings."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        for name, item in value.items():
            if isinstance(item, bool) or not isinstance(item, str | int):
                raise self.wrong(f"{key}.{name}", "a string or an integer")
        return {name: str(item) for name, item in value.items()}

    def names(self, key: str) -> list[str]:
        """Return the keys of a sub-table, which are free."""
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return list(value)

    def table(self, key: str, known: Collection[str]) -> Table | None:
        """Return a sub-table that may hold only the `known` keys."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return Table(self._path, self._dotted(key), value, known)

    def tables(self, key: str, known: Collection[str]) -> list[Table] | None:
        """Return an array of tables ([[key]]), each with only the `known` keys."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, "an array of tables")
        return [Table(self._path, self._dotted(key), item, known) for item in value]

    def wrong(self, key: str, expected: str) -> RktioError:
        """Return the error of a value that is not what its key needs."""
        value: Any = self._data
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return RktioError(f"{self._path}: {self._dotted(key)} must be {expected}, not {value!r}")

    def _dotted(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _unknown(self, key: str, known: Collection[str]) -> RktioError:
        from difflib import get_close_matches

        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        return RktioError(f"{self._path}: unknown key {self._dotted(key)!r}", hint=hint)
