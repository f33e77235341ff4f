"""What pyproject.toml cannot say: the selective scan is compiled where a compiler is found, and left out where none is.

One library per kind of processor, of the same file; merc.nn.kernel loads the widest that the processor can run, so that
a wheel works on older ones too. They are plain C libraries, found by their file name and never imported.
"""

import platform

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = ["-std=c++17", "-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi"]
X86 = {
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"],
    "avx2": ["-mavx2", "-mfma"],
    "base": [],
}


class BuildScan(build_ext):
    """Builds the libraries; on failure goes on without them, as each is optional."""

    def build_extensions(self):
        """Build all, or none where the compiler does not know vector types."""
        if self.compiler.compiler_type == "msvc":
            self.warn("the selective scan needs GCC or Clang; without it Mamba runs on the portable path")
            self.extensions = []
        super().build_extensions()

    def get_export_symbols(self, ext):
        """Name none: a library is no Python module and has no PyInit function."""
        return []


def extensions():
    """One for each kind of processor of this platform; elsewhere than on x86 the compiler's own choice of vectors."""
    kinds = X86 if platform.machine().lower() in ("x86_64", "amd64") else {"base": []}
    return [
        Extension(
            f"merc.nn._scan_{name}",
            ["src/merc/nn/scan.cpp"],
            extra_compile_args=FLAGS + flags,
            extra_link_args=["-pthread"] if platform.system() == "Linux" else [],
            language="c++",
            optional=True,
        )
        for name, flags in kinds.items()
    ]


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildScan})
