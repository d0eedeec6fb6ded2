"""The cffi extension module made by native/build_native.py."""

from typing import Any

ffi: Any
lib: Any
