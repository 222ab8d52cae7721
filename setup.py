"""Builds the engine: Cython modules, of which one holds the C kernels of every instruction set."""
import os
import re
import shutil
import sys
import tomllib
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError

debug = bool(os.environ.get("FASTMLP_DEBUG"))       # bounds checks and assertions, see make debug
profile = bool(os.environ.get("FASTMLP_PROFILE"))   # says where training's time goes, see kernels/profile.h

# -ffp-contract=off: what is fused is written out, so that every compiler gives the same bits.
EXACT = ["-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
if sys.platform == "win32":  # options of clang-cl, which takes clang's own behind /clang:
    compile_args, link_args = ["/O2", "/std:c11", *(f"/clang:{option}" for option in ["-O3", *EXACT])], []
else:
    compile_args = ["-O3", "-std=c11", *EXACT, "-Wno-psabi", "-ffunction-sections", "-fdata-sections"]
    link_args = [] if sys.platform == "darwin" else ["-Wl,-s", "-Wl,--gc-sections"]
    if debug or "-fsanitize" in os.environ.get("CFLAGS", ""):  # sooner built, and with names in what is reported
        compile_args[0], link_args = "-O1", []
    if debug:
        compile_args += ["-UNDEBUG", "-g"]

KERNELS = "fastmlp/_engine/tables.pyx"              # the module that the kernels are linked into
HEADERS = [path for pattern in ("kernels/*.h", "kernels/*.inc", "_engine/*.px[di]", "_c.pxd")
           for path in glob(f"fastmlp/{pattern}")]
COMPILERS = {  # what to install, by sys.platform
    "linux": "a C compiler: apt install gcc libc6-dev, dnf install gcc, or apk add gcc musl-dev",
    "darwin": "a C compiler: xcode-select --install",
    "win32": "clang-cl: in the Visual Studio Installer, the workload Desktop development with C++ and in it "
             "C++ Clang tools for Windows",
}


class Build(build_ext):
    """Uses clang-cl on Windows, whose own compiler has no vector types; says what to install where there is none."""

    def build_extensions(self):
        if sys.platform == "win32":
            self.use_clang_cl()
        else:
            command = self.compiler.compiler_so[0]
            if not shutil.which(command):
                self.lacks_compiler(f"{command} was not found")
        super().build_extensions()

    def use_clang_cl(self):
        try:
            self.compiler.initialize()
        except BaseError as error:  # there is no Visual Studio
            self.lacks_compiler(str(error))
        found = [shutil.which("clang-cl") or "", *(str(folder / "Llvm" / "x64" / "bin" / "clang-cl.exe")
                                                   for folder in Path(self.compiler.cc).parents)]
        existing = [path for path in found if os.path.isfile(path)]
        if not existing:
            self.lacks_compiler("clang-cl was not found")
        self.compiler.cc = existing[0]

    @staticmethod
    def lacks_compiler(reason):
        raise SystemExit(f"{reason}\nTo build fastmlp install {COMPILERS.get(sys.platform, 'a C compiler')}")


def extension(source):
    """The extension module of a Cython source."""
    return Extension(
        source.removesuffix(".pyx").replace("/", "."),
        sources=[source, *(sorted(glob("fastmlp/kernels/*.c")) if source == KERNELS else [])],
        depends=HEADERS,
        include_dirs=["fastmlp"],
        define_macros=[("FASTMLP_DEBUG", None)] * debug + [("FASTMLP_PROFILE", None)] * profile,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


def readme():
    """README with links to files and pictures that an index page can follow: to the repository that pyproject.toml
    names."""
    source = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["urls"]["Source"]
    text = re.sub(r"(!\[[^]]*\]\()(?!\w+://|#)", rf"\g<1>{source}/raw/main/", Path("README.md").read_text("utf-8"))
    return re.sub(r"((?<!!)\[[^]]*\]\()(?!\w+://|#)", rf"\g<1>{source}/blob/main/", text)


setup(
    long_description=readme(),
    long_description_content_type="text/markdown",
    cmdclass={"build_ext": Build},
    ext_modules=cythonize(
        [extension(source) for source in ["fastmlp/_core.pyx", *sorted(glob("fastmlp/_engine/*.pyx"))]],
        compiler_directives={
            "language_level": "3",
            "boundscheck": debug,
            "wraparound": debug,
            "cdivision": True,
            "initializedcheck": debug,
            "auto_pickle": False,
            "freethreading_compatible": True,   # what threads share is taken in critical sections
        },
    )
)
