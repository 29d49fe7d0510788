"""From an ONNX file to a graph: convert with calibration, check against ONNX Runtime, verify.

The file is written here, with ONNX's own tools; one that torch, tf2onnx or anything else exported
is used alike. On the command line:

    edgespike convert net.onnx --calibrate samples.npy --check samples.npy -o graph.safetensors
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.converters.checking import check_source
from edgespike.models import shipped_images
from edgespike.quantise.inputs import as_integers

NET = """
<ir_version: 8, opset_import: ["": 17]>
net (float[N, 1, 28, 28] image) => (float[N, 10] probabilities) {
    sums = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (image, kernel)
    active = Relu (sums)
    pooled = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (active)
    features = Flatten (pooled)
    logits = Gemm (features, weight, bias)
    probabilities = Softmax (logits)
}
"""

draw = np.random.default_rng(0)
images, labels = shipped_images()
samples = (images / 255).astype(np.float32)

# Random kernels; the last layer is fitted to the images by least squares.
net = onnx.parser.parse_model(NET)
kernel = draw.normal(0, 0.4, (16, 1, 3, 3)).astype(np.float32)
net.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "kernel"))
for name, shape in (("weight", (16 * 7 * 7, 10)), ("bias", (10,))):
    net.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name))
results: Any = ReferenceEvaluator(net).run(["features"], {"image": samples})
values = results[0]
wanted = 6 * np.eye(10)[labels] - 3
weight = np.linalg.solve(values.T @ values + 0.1 * np.eye(values.shape[1]), values.T @ wanted)
net.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(weight.astype(np.float32), "weight"))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "net.onnx")
    onnx.save(net, path)
    converted = conversion(path, ConvertOptions(calibrate=samples, labels=labels, levels=16))
    for sentence in converted.assumed:
        print(sentence)
    assert converted.quantised is not None
    check = check_source(converted.quantised, samples[:50])
    for part in check.parts:
        print(f"{part.path}: at most {part.distance:.1e} of the largest value from ONNX Runtime's")
    print(f"{check.flipped} of {check.samples} classes differ from the file's")

certificate = edgespike.verify(
    converted.graph, as_integers(samples[:20], converted.graph), targets=["cpu"]
)
print(f"the cpu target equals the definition, bit for bit: {certificate.equal}")
