"""A single word of the shared memory as an attribute of the store: one side writes it, all may read it.

`atomic_words.py` lists the words by who writes them. A word is named as the field of `fs_store` that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Never, Self, TypeVar, overload

from fieldstack_rt._native import ffi, lib

T = TypeVar("T")


class WordAccess:
    """The memory that the words are in. `raw` is the whole of it as a cffi `fs_store *`."""

    raw: Any
    _addresses: dict[str, Any]
    _kept: dict[str, tuple[bool, int]]
    """The words of the Non-RT process that were written here: whether of 64 bits, and the value."""

    def word_address(self, name: str) -> Any:
        """Remembered: some words are read many times in a pass."""
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = ffi.addressof(self.raw, name)
        return found

    def load_word(self, name: str, wide: bool = True) -> int:
        """`wide`: of 64 bits, not 32."""
        load = lib.fs_load64 if wide else lib.fs_load32
        return int(load(self.word_address(name)))

    def set_word(self, name: str, value: int, wide: bool = True, keep: bool = False) -> None:
        """`keep`: `rewrite_damaged_words` restores this value if it gets damaged."""
        (lib.fs_set64 if wide else lib.fs_set32)(self.word_address(name), value)
        if keep:
            self._kept[name] = (wide, value)


class ReadWord(Generic[T]):
    """A word that this side only reads. `of`: what a number in it means."""

    wide = True

    def __init__(self, doc: str, of: Callable[[int], T]) -> None:
        self.__doc__ = doc
        self._of = of

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: WordAccess, owner: type) -> T: ...
    def __get__(self, store: WordAccess | None, owner: type) -> Self | T:
        return self if store is None else self._of(store.load_word(self._name, self.wide))

    def __set__(self, store: WordAccess, value: Never) -> None:
        raise AttributeError(f"{self._name} is not written from here")


class ReadWord32(ReadWord[T]):
    """The same of 32 bits."""

    wide = False


class Word(ReadWord[T]):
    """A word that may be written. `kept`: a word of the Non-RT process, which writes it again if it gets
    damaged."""

    def __init__(self, doc: str, of: Callable[[int], T], *, kept: bool = False) -> None:
        super().__init__(doc, of)
        self._keep = kept

    def __set__(self, store: WordAccess, value: T) -> None:
        store.set_word(self._name, int(value), self.wide, self._keep)  # type: ignore[call-overload]


class Word32(Word[T]):
    """The same of 32 bits."""

    wide = False
