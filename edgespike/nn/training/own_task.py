"""Data of one's own in the shape that a net takes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own import DataOptions, OwnData
from edgespike.data.own.layout import arranged_shape
from edgespike.errors import InputError
from edgespike.graph import Scaling
from edgespike.nn.training.task import Task


def read_own_task(options: DataOptions, recurrent: bool) -> Task:
    """Read data of one's own and arrange it for a net.

    Parameters
    ----------
    options
        Where it is, and how it becomes samples.
    recurrent
        Whether the net is recurrent; see `arranged`.

    Raises
    ------
    InputError, FileFormatError
        The data cannot be read, does not fit the kind of net, or has classes without training
        samples.
    """
    from edgespike.data.own import read_data

    return own_task(read_data(options), recurrent)


def own_task(data: OwnData, recurrent: bool) -> Task:
    """Arrange data that was read; parameters and errors are those of `read_own_task`."""
    train, validation, test = (
        arranged(part.samples, recurrent) for part in (data.train, data.validation, data.test)
    )
    sample = data.train.samples.shape[1:]
    task = Task(
        *(train, data.train.labels, test, data.test.labels),
        *(validation, data.validation.labels),
        data.class_names,
        None if data.scaling is None else arranged_scaling(data.scaling, sample, recurrent),
        data.source,
    )
    task.check_classes()
    return task


def arranged(samples: NDArray[Any], recurrent: bool) -> NDArray[Any]:
    """Return samples in the shape that a net takes; their order in memory stays.

    A net of images takes images as they are, sequences (steps, features) as (steps * features, 1,
    1), and frames (steps, channels, height, width) as (steps * channels, height, width). A
    recurrent net takes sequences as they are, and frames as (steps, channels * height * width).

    Raises
    ------
    InputError
        A recurrent net cannot take images.
    """
    count, *sample = samples.shape
    if recurrent and len(sample) == 3:
        what, other = ("rows", "rows_maqd") if sample[1:] == [1, 1] else ("images", "images_s3nn")
        raise InputError(
            f"the data is {what} of shape {tuple(sample)}, and the recipe's net is recurrent, for "
            f"sequences (steps, features); use a recipe for {what}, such as {other}"
        )
    return samples.reshape(count, *arranged_shape(tuple(sample), recurrent))


def arranged_scaling(scaling: Scaling, sample: tuple[int, ...], recurrent: bool) -> Scaling:
    """Return the scaling of arranged samples.

    Parameters
    ----------
    scaling
        Of samples as they were read: one number, or one for each feature or channel.
    sample
        Shape of such a sample.
    """
    if len(scaling.offset) == 1 or len(sample) == 3:
        return scaling
    # A recurrent net has the pixels of a channel behind one another; others, its channels of each
    # step.
    spread, times = (np.repeat, prod(sample[2:])) if recurrent else (np.tile, sample[0])
    offset, step = (spread(values, times).tolist() for values in (scaling.offset, scaling.step))
    return Scaling(tuple(offset), tuple(step))
