"""libllmtracer.so through ctypes: where it is found, and its functions (see llm_tracer.h).

The functions that return at once are called with the interpreter's lock held: giving it up would
cost more than they do, and in a program with busy threads it comes back only after a switch
interval. Those that wait (a flush, completing in a synchronous client) let it go."""

import ctypes
import os
import sys
from typing import Any, Callable, Iterator, NamedTuple, Optional

from ._warning import warn_once

NAME = "libllmtracer.so"
SONAME = "libllmtracer.so.0"
VERSION = 0x000100
TRACE_ID_SIZE = 33
SPAN_ID_SIZE = 17
UNKNOWN = -1
TOKENS_MAX = 10**12
COST_MAX = 1e9
OK, EINVAL, ERANGE, ETYPE, EJSON, EENDED, ENOBUFS, ETIMEDOUT, ENOMEM, EDISABLED = range(0, -10, -1)
HERE = os.path.dirname(os.path.abspath(__file__))

WARNING_FN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)


class ClientOptions(ctypes.Structure):
    """llmt_client_options"""

    _fields_ = [
        ("flags", ctypes.c_uint),
        ("mode", ctypes.c_int),
        ("base_url", ctypes.c_char_p),
        ("api_key", ctypes.c_char_p),
        ("project_id", ctypes.c_char_p),
        ("timeout_ms", ctypes.c_int),
        ("on_warning", WARNING_FN),
        ("user", ctypes.c_void_p),
    ]


class TraceOptions(ctypes.Structure):
    """llmt_trace_options"""

    _fields_ = [
        ("flags", ctypes.c_uint),
        ("metadata", ctypes.c_char_p),
        ("tags", ctypes.POINTER(ctypes.c_char_p)),
        ("user_id", ctypes.c_char_p),
        ("session_id", ctypes.c_char_p),
        ("project_id", ctypes.c_char_p),
        ("traceparent", ctypes.c_char_p),
    ]


class SpanOptions(ctypes.Structure):
    """llmt_span_options"""

    _fields_ = [
        ("flags", ctypes.c_uint),
        ("input", ctypes.c_char_p),
        ("metadata", ctypes.c_char_p),
        ("model", ctypes.c_char_p),
        ("parent_span_id", ctypes.c_char_p),
    ]


class Completes(NamedTuple):
    """The functions that complete: they wait in a synchronous client."""

    complete_trace: Callable[..., int]
    complete_span: Callable[..., int]


class Library(NamedTuple):
    """The functions of the library."""

    path: str
    client_new: Callable[..., Any]
    client_enabled: Callable[..., bool]
    client_close: Callable[..., int]  # may wait
    flush: Callable[..., int]  # waits
    create_trace: Callable[..., int]
    create_span: Callable[..., int]
    activate: Callable[..., int]
    at_once: Completes
    waiting: Completes
    preloaded: bool  # the object that captures calls is in this process


_SIGNATURES = {
    "llmt_version": (ctypes.c_int, []),
    "llmt_client_new": (ctypes.c_void_p, [ctypes.POINTER(ClientOptions)]),
    "llmt_client_enabled": (ctypes.c_bool, [ctypes.c_void_p]),
    "llmt_client_close": (ctypes.c_int, [ctypes.c_void_p]),
    "llmt_flush": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
    "llmt_create_trace": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p,
                                         ctypes.POINTER(TraceOptions), ctypes.c_char_p]),
    "llmt_create_span": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                                        ctypes.c_char_p, ctypes.POINTER(SpanOptions),
                                        ctypes.c_char_p]),
    "llmt_complete_trace": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]),
    "llmt_complete_span": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                                          ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64,
                                          ctypes.c_double]),
    "llmt_activate": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_char_p]),
}


def tree() -> Optional[str]:
    """The source tree that the package lies in; None when it is installed."""
    found = os.path.normpath(os.path.join(HERE, "..", "..", "..", ".."))
    return found if os.path.exists(os.path.join(found, "core/client/llm_tracer.h")) else None


def candidates() -> Iterator[str]:
    """Where the library may be, the first one that loads is used: TRACER_LIBRARY, the wheel's own
    copy, a build of the source tree that the package lies in, the places of the system's loader."""
    named = os.environ.get("TRACER_LIBRARY")
    if named:
        yield named
    yield os.path.join(HERE, "_native", "lib", NAME)
    source = tree()
    if source is not None:
        build = os.environ.get("TRACER_BUILD_DIR") or os.path.join(source, "build", "release")
        yield os.path.join(build, "lib", NAME)
    # PREFIX/lib beside PREFIX/lib/pythonX.Y/site-packages/llm_tracer.
    yield os.path.normpath(os.path.join(HERE, "..", "..", "..", NAME))
    yield SONAME
    yield NAME


def _function(handle: ctypes.CDLL, name: str) -> Callable[..., Any]:
    function = getattr(handle, name)
    function.restype, function.argtypes = _SIGNATURES[name]
    return function  # type: ignore[no-any-return]


def _bind(path: str) -> Library:
    """Raises OSError or AttributeError when this is not our library."""
    held, released = ctypes.PyDLL(path), ctypes.CDLL(path)
    version = _function(held, "llmt_version")()
    if version < VERSION:
        raise OSError(f"{path}: version {version:#x} is older than {VERSION:#x}")

    def completes(handle: ctypes.CDLL) -> Completes:
        return Completes(_function(handle, "llmt_complete_trace"),
                         _function(handle, "llmt_complete_span"))

    return Library(
        path=path,
        client_new=_function(held, "llmt_client_new"),
        client_enabled=_function(held, "llmt_client_enabled"),
        client_close=_function(released, "llmt_client_close"),
        flush=_function(released, "llmt_flush"),
        create_trace=_function(held, "llmt_create_trace"),
        create_span=_function(held, "llmt_create_span"),
        activate=_function(held, "llmt_activate"),
        at_once=completes(held),
        waiting=completes(released),
        preloaded=hasattr(ctypes.PyDLL(None), "llmt_preload_v1"),
    )


_library: Optional[Library] = None
_looked = False


def get() -> Optional[Library]:
    """The library; None, with one warning, when there is none. Looked for once a process."""
    global _library, _looked
    if _looked:
        return _library
    named = os.environ.get("TRACER_LIBRARY")
    trouble = []
    for path in candidates():
        if os.path.isabs(path) and not os.path.exists(path):
            if path == named:
                trouble.append(f"{path}: there is no such file")
            continue
        try:
            _library = _bind(path)
            break
        except (OSError, AttributeError) as error:
            # A file that was loaded under another name is told by that one.
            trouble.append(str(error) if path in str(error) else f"{path}: {error}")
    _looked = True
    if _library is None:
        said = "; ".join(trouble) or "no file of that name"
        warn_once("library", f"{NAME} was not found, nothing is recorded ({said}). "
                             "TRACER_LIBRARY may name it.")
    elif named and _library.path != named:
        warn_once("library", f"TRACER_LIBRARY cannot be used ({trouble[0]}); "
                             f"{_library.path} is used instead")
    return _library


def _on_warning(_user: Optional[int], text: Optional[bytes]) -> None:
    """The library warns once a client; a program with many clients is told once."""
    if not sys.is_finalizing():
        said = (text or b"").decode("utf-8", "replace")
        warn_once(said, said)


# Kept for as long as the process lives: clients of the library point to it.
on_warning = WARNING_FN(_on_warning)
