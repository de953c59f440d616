"""Golden cases as safetensors files: an 8-byte length, a JSON header, the tensors' bytes."""
import json
import struct

import numpy as np

_TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I8": np.int8}


def bfloat16(x):
    """x rounded to bfloat16 (ties to even), as float64."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32).astype(np.float64)


class CaseFile:
    """A case to read: kind, config, tolerance, and its tensors by name; floats come as float64."""

    def __init__(self, path):
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self._header = json.loads(file.read(length))
            self._data = file.read()
        self.metadata = self._header.pop("__metadata__")
        self.kind = self.metadata["kind"]
        self.config = json.loads(self.metadata["config"])
        self.tolerance = json.loads(self.metadata["tolerance"])

    def __contains__(self, name):
        return name in self._header

    def dtype(self, name):
        return self._header[name]["dtype"]

    def names(self, prefix):
        return [name for name in self._header if name.startswith(prefix)]

    def __getitem__(self, name):
        entry = self._header[name]
        begin, end = entry["data_offsets"]
        raw = self._data[begin:end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, _TYPES[entry["dtype"]])
        values = values.reshape(entry["shape"])
        return values.astype(np.float64) if entry["dtype"] in ("BF16", "F16", "F32") else values

    def weights(self, prefix=""):
        prefix = "weight::" + prefix
        return {name[len(prefix):]: self[name] for name in self.names(prefix)}


def write(path, kind, config, tolerance, note, tensors):
    """Writes a case. Tensors: name to array, or to (array, "BF16")."""
    header = {"__metadata__": {"kind": kind, "config": json.dumps(config), "tolerance": json.dumps(tolerance), "note": note}}
    data, offset = [], 0
    for name, value in tensors.items():
        array, dtype = value if isinstance(value, tuple) else (value, None)
        if dtype == "BF16":
            raw = (bfloat16(array).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        else:
            array = array.astype(np.float32) if array.dtype == np.float64 else array
            dtype = {np.dtype(np.float32): "F32", np.dtype(np.int8): "I8", np.dtype(np.int64): "I64"}[array.dtype]
            raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(raw)]}
        data.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))
