"""Run all models of a folder and print how many values of each differ from those expected.

It needs numpy and onnxruntime only, and runs under an emulator too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for path in sorted(folder.glob("*.onnx")):
        expected = dict(np.load(path.with_suffix(".npz")))
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        samples = expected.pop("input")
        found = session.run(list(expected), {"input": samples})
        wrong = sum(int((a != b).sum()) for a, b in zip(found, expected.values(), strict=True))
        print(path.stem, wrong)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
