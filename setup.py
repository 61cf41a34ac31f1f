"""Metadata, entry points, extras, and the mapping of the two wings into the package; the version is the tag's."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Beside the package's own folders lie links to the wings, for type checkers and editors; what is installed is the
# wings themselves, so that a checkout without links is as good.
CORE = find_packages(include=["nnunet_uad", "nnunet_uad.*"], exclude=["nnunet_uad.pretrain", "nnunet_uad.trainers"])

# Snakemake 9 wants a newer Python than nnU-Net does.
SNAKEMAKE = 'python_version >= "3.11"'

# The part of MLflow that logs, and what it needs for a database on this machine.
MLFLOW = ["mlflow-skinny>=3,<4", "alembic>=1.11,<2", "sqlalchemy>=2,<3"]

setup(
    name="nnunet_uad",
    description="Unsupervised anomaly detection and low-label fine-tuning inside nnU-Net v2",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    # Stage one lives in pretrain/, stage two in trainers/; installed they are nnunet_uad.pretrain
    # and nnunet_uad.trainers.
    packages=[*CORE, "nnunet_uad.pretrain", "nnunet_uad.trainers"],
    package_dir={
        "nnunet_uad": "nnunet_uad",
        "nnunet_uad.pretrain": "pretrain",
        "nnunet_uad.trainers": "trainers",
    },
    package_data={
        "nnunet_uad": ["py.typed"],
        "nnunet_uad.common": ["templates/*"],
        "nnunet_uad.quality": ["templates/*"],
        "nnunet_uad.study": ["example.yaml"],
        "nnunet_uad.study.running": ["workflow/Snakefile", "workflow/profiles/*/config.yaml"],
        "nnunet_uad.report": ["templates/*"],
        "nnunet_uad.sharing": ["templates/*"],
    },
    install_requires=[
        "nnunetv2>=2.8,<3",
        "torch",
        "SimpleITK",
        "PyYAML",
        "acvl-utils",
        "batchgenerators",
        "batchgeneratorsv2",
        "blosc2",
        "dynamic-network-architectures",
        "jinja2",
        "joblib",
        "matplotlib",
        "monai>=1.4,<2",
        "nibabel",
        "numpy",
        "packaging>=24.2",
        "pydantic>=2.12,<3",
        "requests",
        "safetensors",
        "scipy",
        "shtab>=1.7,<2",
        "tqdm",
    ],
    extras_require={
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6,<10", "mkdocstrings[python]>=0.29"],
        "dicom": ["highdicom>=0.28,<1", "pydicom>=3,<4"],
        "hub": ["huggingface_hub>=0.30,<3"],
        "mlflow": MLFLOW,
        "robustness": ["torchio>=0.20,<2"],
        "study": [f"snakemake>=9,<10; {SNAKEMAKE}"],
        "tensorboard": ["tensorboard>=2.15"],
        "test": [
            *MLFLOW,
            # What the server of MLflow's tests needs besides.
            "aiohttp",
            "flask",
            "flask-cors",
            "highdicom>=0.28,<1",
            "huggingface_hub>=0.30,<3",
            "hypothesis",
            "jsonschema",
            "mypy",
            "psutil",
            "pydicom>=3,<4",
            "pytest",
            "pytest-xdist",
            "scikit-learn",
            "setuptools>=68",
            # 10 wants a newer packaging than Snakemake allows.
            "setuptools-scm>=8,<10",
            f"snakemake>=9,<10; {SNAKEMAKE}",
            f"snakemake-executor-plugin-cluster-generic; {SNAKEMAKE}",
            f"snakemake-executor-plugin-slurm; {SNAKEMAKE}",
            "tensorboard>=2.15",
            "torchio>=0.20,<2",
            "wheel",
        ],
        "lint": ["mypy", "ruff"],
    },
    entry_points={"console_scripts": ["nnunet_uad = nnunet_uad.cli.main:main"]},
    classifiers=[
        "Intended Audience :: Healthcare Industry",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
    ],
)
