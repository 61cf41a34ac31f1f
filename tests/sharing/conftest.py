import pytest
import torch
from weight_server import serving
from weights_helpers import make_record

from nnunet_uad.weights.names import FILE_NAME
from nnunet_uad.weights.safe_file import write_pretrained

SALT = 32 * "1"


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def weights(tmp_path):
    """Function that writes a small file of weights; what it is given becomes part of the record."""

    def write(name="fold_0", salt=SALT, **changes):
        record = make_record(**changes)
        path = tmp_path / name / FILE_NAME
        path.parent.mkdir(exist_ok=True)
        tensors = {"encoder.weight": torch.arange(30_000.0).reshape(100, 300)}
        write_pretrained(path, tensors, record.with_hidden_names(salt) if salt else record)
        return path

    return write
