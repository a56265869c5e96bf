"""Which models Earshot knows, where they lie, and whether they are whole."""

from earshot_models.directory import default_directory, installed, missing_files
from earshot_models.errors import ModelError
from earshot_models.install import add
from earshot_models.known import CMU_MANDARIN, KNOWN, SHERPA_ZH_EN, Model, ModelFile, find
from earshot_models.verify import Verification, verify

__all__ = [
    "CMU_MANDARIN",
    "KNOWN",
    "SHERPA_ZH_EN",
    "Model",
    "ModelError",
    "ModelFile",
    "Verification",
    "add",
    "default_directory",
    "find",
    "installed",
    "missing_files",
    "verify",
]
