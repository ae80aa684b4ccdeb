"""Files that `torch.save` wrote: a pickle, which may hold code that runs when it is loaded.

It is loaded with `weights_only=True`, which allows tensors and plain containers and nothing else,
and only by a version of PyTorch in which no way around that is known. (CVE-2025-32434: fixed in
2.6; CVE-2026-24747: fixed in 2.10.)
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from charnn.arrays import Array
from charnn.formats.errors import FormatError, library
from charnn.options import shown
from charnn.training.archive import DAMAGE

SAFE = (2, 10)
HOLDERS = ("model", "state_dict", "model_state_dict")  # keys of a dictionary that holds more
CODE = re.compile(r"[Uu]nsupported|[Ww]eights.only|GLOBAL")  # in PyTorch's words


def read_state_dict(path: Path) -> dict[str, Array]:
    """Return the tensors of a state dictionary as float32 arrays by name. Raises FormatError."""
    torch = library("torch", "torch", "PyTorch, which reads .pt files,")
    version = tuple(map(int, re.findall(r"\d+", torch.__version__)[:2]))
    if version < SAFE:
        raise FormatError(
            f"PyTorch is version {torch.__version__}, which a crafted file can make run code; "
            "install torch>=2.10, or save the model as a safetensors file."
        )
    check_archive(path)
    return arrays_in(torch, loaded(torch, path))


def check_archive(path: Path) -> None:
    """Raise FormatError for an archive that is damaged, or would be larger than its file.

    PyTorch does not look at the checksums that it writes. (Its format before 1.6 has none.)
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
            large = size > path.stat().st_size
            damaged = None if large else archive.testzip()
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"it is damaged ({reason}); use another copy.") from error
    if large:
        raise FormatError(
            f"its content is declared to have {size:,} bytes, which is more than the file has; use "
            "another copy."
        )
    if damaged is not None:
        raise FormatError(f"its part {damaged!r} has another checksum; use another copy.")


def loaded(torch: Any, path: Path) -> object:
    """Load a file without running what it holds. Raises FormatError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about the file is an error, or harmless
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # whatever a crafted file brings about
        if CODE.search(str(error)):
            raise FormatError(
                "it holds Python objects or code beside tensors, which charnn never loads; save "
                "the weights alone: torch.save(model.state_dict(), 'model.pt')."
            ) from error
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FormatError(
            f"it is damaged or not a file of PyTorch's ({reason}); use another copy."
        ) from error


def arrays_in(torch: Any, content: object) -> dict[str, Array]:
    """Return the tensors of what a file held. Raises FormatError where it is no state dict."""
    if isinstance(content, Mapping):
        for name in HOLDERS:
            if isinstance(content.get(name), Mapping):
                content = content[name]
                break
    if not isinstance(content, Mapping) or not content:
        raise FormatError(
            f"it holds {shown(content)} and no state dictionary; save one: "
            "torch.save(model.state_dict(), 'model.pt')."
        )
    arrays = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise FormatError(
                f"its entry {shown(name)} is a {type(value).__name__}, not a tensor with a name; "
                "save the state dictionary alone: torch.save(model.state_dict(), 'model.pt')."
            )
        arrays[name] = as_float32(torch, name, value)
    return arrays


def as_float32(torch: Any, name: str, tensor: Any) -> Array:
    """Return a tensor as a float32 array. Raises FormatError for one of another kind."""
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if tensor.dtype not in kinds or not plain:
        raise FormatError(
            f"its tensor {name!r} is {tensor.dtype} ({tensor.layout}), which is no plain tensor of "
            "float64, float32, float16 or bfloat16; save the floating-point weights only."
        )
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise FormatError(
            f"its tensor {name!r} of the shape {tuple(tensor.shape)} is larger than what the file "
            "holds of it; use another copy."
        )
    array: Array = tensor.detach().to(torch.float32).contiguous().numpy()
    return np.array(array)  # which shares no memory, as tied tensors do
