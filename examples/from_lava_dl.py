"""Read a network exchange file of lava-dl (.net) and compare it with the graph that it came from.

The file is written here from a shipped model, as `edgespike export -t loihi` does; yours comes from
lava-dl's export_hdf5. Needs h5py.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import edgespike
from edgespike.converters.base import ConvertOptions
from edgespike.converters.lava_dl.agreement import check_file
from edgespike.converters.lava_dl.reading import read_graph
from edgespike.models import shipped_images, shipped_model

model = shipped_model("fashion_s3nn")
images, labels = shipped_images("fashion_s3nn")
images, labels = images[:20], labels[:20]

with tempfile.TemporaryDirectory() as folder:
    edgespike.export(model, "loihi", folder)
    (file,) = Path(folder).rglob("*.net")

    # What the file is, and what it does not say: the input is pixels of 8 bits.
    options = ConvertOptions(input_range=(0, 255), input_scale=1 / 255)
    net = read_graph(file, options)
    print(f"{file.name} is {net.summary}")
    for layer in net.layers:
        print(f"  {layer.path}: {layer.text}")

    # Lava's own arithmetic, layer by layer.
    layers = check_file(file, images, options)
    print(f"{sum(layer.values for layer in layers):,} values of all layers compared with Lava's,")
    print(f"{sum(layer.different for layer in layers)} differ")

    graph = edgespike.convert(file, input_range=(0, 255), input_scale=1 / 255)

before = edgespike.run(model, images).classes(model)
after = edgespike.run(graph, images).classes(graph)
print(f"answers equal to the shipped model's: {(before == after).sum()} of {len(images)}")
print(f"right: {(after == labels).sum()} of {len(labels)}")
