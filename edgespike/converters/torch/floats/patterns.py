"""What to do instead of operators that are not read."""

from __future__ import annotations

INSTEAD = {
    "`ConvTranspose2d`, `interpolate`, `Upsample`, `PixelShuffle`": (
        "a graph makes no image larger: end the net at the small image, or use a convolution of "
        "stride 1",
        (
            "conv_transpose",
            "upsample",
            "interpolate",
            "pixel_shuffle",
            "pixel_unshuffle",
        ),
    ),
    "`LeakyReLU`, `PReLU`, `ELU`, `GELU`, `SiLU`, `Hardswish`, `Tanh`, `Softplus`": (
        "use ReLU or ReLU6, and train again",
        (
            "leaky_relu",
            "prelu",
            "elu",
            "gelu",
            "silu",
            "hardswish",
            "hardsigmoid",
            "tanh",
            "softplus",
            "selu",
            "celu",
            "mish",
            "rrelu",
        ),
    ),
    "`LayerNorm`, `GroupNorm`, `InstanceNorm`": (
        "its factor depends on each sample: use BatchNorm, whose statistics are constants",
        ("layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "instance_norm"),
    ),
    "`LSTM`, `GRU`, `RNN`": (
        "its states round at every step: use few, edgespike.nn's QuantRNN, and fine-tune it with a "
        "recipe of activation 'levels', edgespike train RECIPE --from CHECKPOINT, or QuantGRU; or "
        "convolutions over the steps",
        ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"),
    ),
    "attention, `bmm`, `einsum` of two values": (
        "it multiplies matrices of values, and a graph multiplies values element by element at "
        "most: use convolutions and dense layers",
        ("scaled_dot_product_attention", "bmm", "baddbmm", "einsum", "bilinear"),
    ),
    "`Embedding`": (
        "give one-hot samples to a Linear without bias, which has the same weights transposed",
        ("embedding",),
    ),
    "`split`, `chunk`, `x[:, :k]`, `x[:, k] = y`, `stack`, `roll`, `flip`, `repeat`": (
        "a graph passes on all of a value, in its order: build the branches from layers of "
        "their own, and join them by cat or +",
        (
            "split",
            "split_with_sizes",
            "chunk",
            "select",
            "index",
            "index_select",
            "gather",
            "stack",
            "roll",
            "flip",
            "repeat",
            "channel_shuffle",
            "native_channel_shuffle",
            "unbind",
            "slice_scatter",
            "select_scatter",
            "index_put",
            "copy",
        ),
    ),
    "`Dropout` that stays active": (
        "it draws random numbers, and a graph always gives the same answers: give F.dropout "
        "training=self.training",
        ("active_dropout", "bernoulli", "rand_like", "randn_like"),
    ),
    "`x > 0`, masks, `torch.cond`": (
        "it decides by values of the sample what is computed, and a graph computes the same for "
        "every sample: use ReLU, pools, sums and constant factors",
        (
            "gt",
            "lt",
            "ge",
            "le",
            "eq",
            "ne",
            "masked_fill",
            "cond",
            "while_loop",
            "nonzero",
            "item",
            "local_scalar_dense",
        ),
    ),
    "`max`, `min`, `pow`, `sqrt`, `exp`, `log`, `abs` of values": (
        "use ReLU, pools, sums and constant factors",
        ("max", "min", "maximum", "minimum", "pow", "sqrt", "rsqrt", "exp", "log", "abs", "where"),
    ),
}
"""What is refused, what to do instead, and the operators that are meant."""

_INSTEAD = {name: way for way, names in INSTEAD.values() for name in names}


def instead_of(operator: str) -> str:
    """Return the nearest supported pattern for an operator that is not read."""
    bare = operator.strip("_")
    if bare in _INSTEAD:
        return _INSTEAD[bare]
    # "upsample_bilinear2d" begins with "upsample"
    near = (way for name, way in _INSTEAD.items() if len(name) > 4 and bare.startswith(name))
    return next(near, "no graph computes it; see the operators below")
