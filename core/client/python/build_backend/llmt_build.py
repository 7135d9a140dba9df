"""Builds the wheel and the source archive with the standard library and cmake alone (PEP 517, 660).

The native parts come from the build that TRACER_BUILD_DIR names, when it has them, else cmake builds
them in a temporary folder. The same tree gives the same archive, byte for byte, where the compiler
does: names in order, the times of SOURCE_DATE_EPOCH (else 1980)."""

import ast
import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(HERE)
TREE = os.path.dirname(os.path.dirname(os.path.dirname(PACKAGE)))
NATIVE = ["lib/libllmtracer.so", "lib/libllmtracer_preload.so", "bin/llm-tracer"]
STUB = "lib/i386-linux-gnu/libllmtracer_preload.so"  # for the 32-bit children of a traced command
TARGETS = ["llmtracer_shared", "llmtracer_preload", "llm-tracer"]
# What the source archive holds of the tree: what cmake and this file read.
SOURCES = ["CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "config", "core",
           "preload", "scripts/llm-trace", "scripts/entrypoint", "scripts/packages"]


def project():
    """The tables of pyproject.toml by name. Its values are all such as Python also writes (tomllib
    is there from 3.11 only)."""
    with open(os.path.join(PACKAGE, "pyproject.toml"), encoding="utf-8") as f:
        text = f.read()
    tables = {}
    for part in re.split(r"^(?=\[[a-z.-]+\]$)", text, flags=re.M):
        name, _, body = part.partition("\n")
        if name:
            found = re.findall(r"^([\w-]+) = (\[\n.*?^\]|.*?)$", body, flags=re.M | re.S)
            tables[name.strip("[]")] = {key: ast.literal_eval(value) for key, value in found}
    return tables


def version():
    return project()["project"]["version"]


def source_date():
    return int(os.environ.get("SOURCE_DATE_EPOCH") or 315532800)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def metadata():
    """METADATA, and PKG-INFO of the source archive."""
    known = project()["project"]
    lines = ["Metadata-Version: 2.4", f"Name: {known['name']}", f"Version: {known['version']}",
             f"Summary: {known['description']}", f"Keywords: {','.join(known['keywords'])}",
             f"License-Expression: {known['license']}", "License-File: LICENSE"]
    lines += [f"Classifier: {name}" for name in known["classifiers"]]
    lines += [f"Requires-Python: {known['requires-python']}",
              "Description-Content-Type: text/markdown", ""]
    return "\n".join(lines).encode() + b"\n" + read(os.path.join(PACKAGE, known["readme"]))


def dist_info(tag):
    """The members of the wheel's .dist-info but RECORD, by name."""
    scripts = "".join(f"{k} = {v}\n" for k, v in project()["project.scripts"].items())
    pure = "true" if tag == "py3-none-any" else "false"
    return {
        "METADATA": metadata(),
        "WHEEL": (f"Wheel-Version: 1.0\nGenerator: llmt_build {version()}\n"
                  f"Root-Is-Purelib: {pure}\nTag: {tag}\n").encode(),
        "entry_points.txt": b"[console_scripts]\n" + scripts.encode(),
        "licenses/LICENSE": read(os.path.join(TREE, "LICENSE")),
    }


def native_tag():
    """No manylinux: the collector uses the system's libcurl, SQLite and more."""
    return "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def build_native(folder):
    """A build of the native parts; its folder."""
    if shutil.which("cmake") is None:
        raise RuntimeError("cmake is needed to build llm-tracer (scripts/packages build installs "
                           "it on Debian), or TRACER_BUILD_DIR, a build that has "
                           + ", ".join(NATIVE))
    if not os.path.exists(os.path.join(TREE, "CMakeLists.txt")):
        raise RuntimeError("the source tree is not around this package; a pip before 21.3 copies "
                           "the package out of it: use a newer one, or TRACER_BUILD_DIR")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    subprocess.run(["cmake", "-S", TREE, "-B", folder, *generator, "-DCMAKE_BUILD_TYPE=Release",
                    "-DTRACER_TESTS=OFF", "-DTRACER_WERROR=OFF"], check=True)
    subprocess.run(["cmake", "--build", folder, "--parallel", str(min(os.cpu_count() or 1, 8)),
                    "--target", *TARGETS], check=True)
    return folder


def native_files():
    """(name in llm_tracer/_native, content, is a program) of each native part."""
    given = os.environ.get("TRACER_BUILD_DIR", "")
    with tempfile.TemporaryDirectory(prefix="llm-tracer-build-") as folder:
        whole = given and all(os.path.exists(os.path.join(given, name)) for name in NATIVE)
        build = given if whole else build_native(folder)
        names = NATIVE + [STUB] * os.path.exists(os.path.join(build, STUB))
        found = [(name, read(os.path.join(build, name)), True) for name in names]
    return found + [("bin/llm-trace", read(os.path.join(TREE, "scripts", "llm-trace")), True)]


def package_files():
    """(name in the wheel, content, False) of the Python package."""
    folder = os.path.join(PACKAGE, "llm_tracer")
    names = sorted(n for n in os.listdir(folder) if n.endswith(".py") or n == "py.typed")
    return [(f"llm_tracer/{n}", read(os.path.join(folder, n)), False) for n in names]


def write_wheel(folder, tag, files):
    """Writes the wheel; its name."""
    stem = f"llm_tracer-{version()}"
    files = sorted(files) + [(f"{stem}.dist-info/{name}", content, False)
                             for name, content in dist_info(tag).items()]
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')},"
        f"{len(content)}\n" for name, content, _ in files)
    record_name = f"{stem}.dist-info/RECORD"
    files.append((record_name, f"{record}{record_name},,\n".encode(), False))
    when = max(time.gmtime(source_date())[:6], (1980, 1, 1, 0, 0, 0))
    wheel = f"{stem}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w", zipfile.ZIP_DEFLATED) as out:
        for name, content, program in files:
            info = zipfile.ZipInfo(name, when)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if program else 0o100644) << 16
            out.writestr(info, content)
    return wheel


# --- the hooks ------------------------------------------------------------------------------------


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_sdist = get_requires_for_build_wheel
get_requires_for_build_editable = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name = f"llm_tracer-{version()}.dist-info"
    for member, content in dist_info(native_tag()).items():
        path = os.path.join(metadata_directory, name, member)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    native = [(f"llm_tracer/_native/{name}", content, program)
              for name, content, program in native_files()]
    return write_wheel(wheel_directory, native_tag(), package_files() + native)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The package where it lies; the library comes from TRACER_BUILD_DIR or build/release."""
    return write_wheel(wheel_directory, "py3-none-any",
                       [("llm_tracer_editable.pth", f"{PACKAGE}\n".encode(), False)])


def source_files():
    """(name in the archive's folder, path), in order."""
    found = []
    for name in SOURCES:
        path = os.path.join(TREE, name)
        if os.path.isfile(path):
            found.append((name, path))
        for folder, folders, names in os.walk(path):
            folders[:] = [f for f in folders if f not in ("__pycache__", "_native", "build")]
            found += [(os.path.relpath(os.path.join(folder, n), TREE), os.path.join(folder, n))
                      for n in names if not n.endswith((".pyc", ".so"))]
    return sorted(found)


def build_sdist(sdist_directory, config_settings=None):
    """The C sources too: the archive is a small tree, from which the wheel is built as from ours."""
    stem = f"llm_tracer-{version()}"
    here = os.path.relpath(HERE, TREE)
    settings = read(os.path.join(PACKAGE, "pyproject.toml")).decode()
    settings = re.sub(r"backend-path = .*", f'backend-path = ["{here}"]', settings)
    settings = re.sub(r"readme = .*", f'readme = "{os.path.relpath(PACKAGE, TREE)}/README.md"',
                      settings)
    members = [(name, read(path), os.access(path, os.X_OK)) for name, path in source_files()]
    members += [("pyproject.toml", settings.encode(), False), ("PKG-INFO", metadata(), False)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name, content, program in members:
            info = tarfile.TarInfo(f"{stem}/{name}")
            info.size, info.mtime = len(content), source_date()
            info.mode = 0o755 if program else 0o644
            out.addfile(info, io.BytesIO(content))
    archive = f"{stem}.tar.gz"
    with open(os.path.join(sdist_directory, archive), "wb") as f:
        with gzip.GzipFile("", "wb", fileobj=f, mtime=source_date()) as out:
            out.write(packed.getvalue())
    return archive
