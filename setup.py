"""Builds the engine: Cython modules, of which one holds the C kernels of every instruction set."""
import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

debug = bool(os.environ.get("FASTMLP_DEBUG"))       # bounds checks and assertions, see make debug
profile = bool(os.environ.get("FASTMLP_PROFILE"))   # says where training's time goes, see kernels/profile.h

if sys.platform == "win32":
    compile_args, link_args = ["/O2", "/std:c11"], []
else:
    # -ffp-contract=off: what is fused is written out, so that every compiler gives the same bits.
    compile_args = ["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
    compile_args += ["-ffunction-sections", "-fdata-sections"]
    link_args = [] if sys.platform == "darwin" else ["-Wl,-s", "-Wl,--gc-sections"]
    if debug or "-fsanitize" in os.environ.get("CFLAGS", ""):  # sooner built, and with names in what is reported
        compile_args[0], link_args = "-O1", []
    if debug:
        compile_args += ["-UNDEBUG", "-g"]

KERNELS = "fastmlp/_engine/tables.pyx"              # the module that the kernels are linked into
HEADERS = [path for pattern in ("kernels/*.h", "kernels/*.inc", "_engine/*.px[di]", "_c.pxd")
           for path in glob(f"fastmlp/{pattern}")]


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


setup(
    ext_modules=cythonize(
        [extension(source) for source in ["fastmlp/_core.pyx", *sorted(glob("fastmlp/_engine/*.pyx"))]],
        compiler_directives={
            "language_level": "3",
            "boundscheck": debug,
            "wraparound": debug,
            "cdivision": True,
            "initializedcheck": debug,
            "auto_pickle": False,
        },
    )
)
