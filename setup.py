"""Builds the one extension: the Cython core with the C kernels of every instruction set."""
import os
import sys
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

if sys.platform == "win32":
    compile_args, link_args = ["/O2", "/std:c11"], []
else:
    # -ffp-contract=off: what is fused is written out, so that every compiler gives the same bits.
    compile_args = ["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]
    link_args = [] if sys.platform == "darwin" else ["-Wl,-s"]
    if "-fsanitize" in os.environ.get("CFLAGS", ""):  # sooner built, and with names in what is reported
        compile_args[0], link_args = "-O1", []

# says where training's time goes, see kernels/profile.h and benchmarks/phases.py
macros = [("FASTMLP_PROFILE", None)] if os.environ.get("FASTMLP_PROFILE") else []

core = Extension(
    "fastmlp._core",
    sources=["fastmlp/_core.pyx", *sorted(glob("fastmlp/kernels/*.c"))],
    depends=[*glob("fastmlp/kernels/*.h"), *glob("fastmlp/kernels/*.inc"), *glob("fastmlp/*.pxi"), "fastmlp/_c.pxd"],
    include_dirs=["fastmlp"],
    define_macros=macros,
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

setup(
    ext_modules=cythonize(
        [core],
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    )
)
