"""Write a file of random weights: `write.py PATH MEGABYTES`; the suffix is .safetensors or .pt.

The formats are spelt out, so that neither torch nor a gigabyte of memory is needed: matrices of
1,024 × 1,024 float32, one storage each. A .pt file is a zip archive as `torch.save` lays it out.
"""

import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np

SIDE = 1024
MATRIX_BYTES = 4 * SIDE * SIDE


def matrices(count: int) -> Iterator[bytes]:
    """Yield the bytes of so many matrices: a few different ones in turn."""
    rng = np.random.default_rng(0)
    different = [rng.random((SIDE, SIDE), dtype=np.float32).tobytes() for _ in range(4)]
    for group in repeat(different, -(-count // len(different))):
        yield from group[:count]
        count -= len(group)


def write_safetensors(path: Path, count: int) -> None:
    """Write the header, then the matrices."""
    header = {
        f"layers.{i}.weight": {
            "dtype": "F32",
            "shape": [SIDE, SIDE],
            "data_offsets": [i * MATRIX_BYTES, (i + 1) * MATRIX_BYTES],
        }
        for i in range(count)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(matrices(count))


def write_pt(path: Path, count: int) -> None:
    """Write an archive of a pickle, which names the storages, and the storages."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", pickled(count))
        archive.writestr("weights/byteorder", "little")
        for i, matrix in enumerate(matrices(count)):
            archive.writestr(f"weights/data/{i}", matrix)


def pickled(count: int) -> bytes:
    """Return the pickle of a dictionary of tensors in protocol 2, as torch writes it."""
    side = b"M" + struct.pack("<H", SIDE)
    tensors = [
        text(f"layers.{i}.weight")
        + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        + text("storage") + b"ctorch\nFloatStorage\n" + text(str(i)) + text("cpu")
        + b"J" + struct.pack("<i", SIDE * SIDE) + b"tQ"  # the storage, by its name
        + b"K\0(" + side + side + b"t(" + side + b"K\1t"  # offset, shape, strides
        + b"\x89ccollections\nOrderedDict\n)RtR"
        for i in range(count)
    ]  # fmt: skip
    return b"\x80\x02}(" + b"".join(tensors) + b"u."


def text(value: str) -> bytes:
    """Return a short string, pickled."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write = write_pt if target.suffix == ".pt" else write_safetensors
    write(target, max(1, int(sys.argv[2]) * 10**6 // MATRIX_BYTES))
