"""Recipes: everything that determines the outcome of a training run, in one TOML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgespike.data import DATA_SETS
from edgespike.data.own import DataOptions
from edgespike.errors import InputError, shown
from edgespike.nn.layers.penalty import Kind, penalty_faults
from edgespike.nn.nets.checks import refuse
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import AnySpec, ConvSpec, NetSpec, read_spec
from edgespike.nn.nets.tables import entry_name, read_table
from edgespike.nn.training.posterior_spec import PosteriorSpec
from edgespike.storage.toml_files import shipped_names

FOLDER = "nn/training/recipes"
"""Where the shipped recipes are in the package."""

# Whole numbers that every library accepts; floats that single precision can hold.
_MOST, _LARGEST = 2**31 - 1, 3e38
_MOST_AVERAGING = 1 - 1e-6
_LEAST_ALPHA = 1e-3
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, _MOST),
    ("batch_size", 2, _MOST),
    ("seed", 0, 2**63 - 1),
    ("learning_rate", 0, _LARGEST),
    ("final_learning_rate", 0, _LARGEST),
    ("warmup_epochs", 0, _LARGEST),
    ("weight_decay", 0, _LARGEST),
    ("averaging", 0, _MOST_AVERAGING),
    ("gradient_norm", 0, _LARGEST),
    ("label_smoothing", 0, 1),
    ("lambda_", 0, _LARGEST),
    ("distillation", 0, 1),
    ("temperature", 1e-3, 1e3),
    ("final_alpha", 0, 1e3),
    ("limit", 0, _MOST),
)


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run; one recipe on one machine always gives the same weights.

    Parameters
    ----------
    net
        The net to train.
    epochs, batch_size, seed
        The last batch of an epoch is left out if it has fewer than ``batch_size`` samples.
    learning_rate, final_learning_rate, warmup_epochs, weight_decay
        Of AdamW; the rate rises linearly during the warm-up and then falls as a cosine.
    averaging
        Share that an exponential moving average of the weights keeps in a step, e.g. 0.999 for
        about 1,000 steps; 0 for none. The averaged net is tested and kept. Averaging works well
        with a final learning rate above 0.
    gradient_norm
        Largest norm of all gradients together; larger gradients are scaled down to it, as
        recurrent nets need (Pascanu et al., arXiv 1211.5063). 0 leaves them unchanged.
    label_smoothing
        Share of the target that is spread over all classes.
    flip, shift
        Augmentation: mirror half of the images; shift each by up to ``shift`` pixels each way.
        Not for sequences.
    penalty, lambda_, p
        Kind, final weight and power of the `SpikePenalty`; the weight rises linearly with the
        epoch, and 0 means no penalty. In a table the weight is ``lambda``.
    limit
        Use only the first ``limit`` training samples and the first ``limit`` test samples; 0 means
        all.
    data
        The data set, one of `edgespike.data.DATA_SETS`, for recurrent nets ``fashion_mnist_rows``;
        or data of one's own.
    posterior
        Train a mixture of such nets by variational inference; None for one net.
    teacher, distillation, temperature
        Path of a trained net, such as the float net of the same shape, from which this one learns;
        the share of the loss that is the distance from its answers, see
        `edgespike.nn.training.teacher.distillation_loss`; and the temperature of the answers.
        With a share of 0 nothing is learnt from the teacher.
    final_alpha
        Steepness of the surrogate in the last epoch; from the first epoch to the last one the net's
        ``alpha`` goes there in equal ratios, so that wide surrogates become narrow. 0 keeps
        ``alpha``. The trained net's description keeps the first ``alpha``, which it starts from.

    Raises
    ------
    ValueError
        Values are out of range; all of them are named.
    """

    net: AnySpec
    epochs: int
    batch_size: int = 128
    seed: int = 0
    learning_rate: float = 2e-3
    final_learning_rate: float = 0.0
    warmup_epochs: float = 1.0
    weight_decay: float = 1e-2
    averaging: float = 0.0
    gradient_norm: float = 0.0
    label_smoothing: float = 0.0
    flip: bool = False
    shift: int = 0
    penalty: Kind = "synaptic"
    lambda_: float = 0.0
    p: int = 1
    limit: int = 0
    data: str | DataOptions = "fashion_mnist"
    posterior: PosteriorSpec | None = None
    teacher: str = ""
    distillation: float = 0.0
    temperature: float = 4.0
    final_alpha: float = 0.0

    def __post_init__(self) -> None:
        refuse(self._faults())

    def _faults(self) -> Iterator[str]:
        sequences = isinstance(self.net, RecurrentSpec)
        if sequences and (self.flip or self.shift):
            yield (
                f"flip is {self.flip} and shift {self.shift}, which are for images; a recurrent "
                "net needs false and 0"
            )
        side = _MOST if sequences else min(self.net.input_shape[1:])
        for name, low, high in (*_RANGES, ("shift", 0, side)):
            value = getattr(self, name)
            if not low <= value <= high:
                yield f"{entry_name(name)} is {shown(value)}; it must be {low} to {high}"
        yield from penalty_faults(self.penalty, self.p)
        if isinstance(self.data, str) and self.data not in DATA_SETS:
            yield (
                f"data is {shown(self.data)}, known are {', '.join(DATA_SETS)}; a table [data] "
                "with a path is for data of one's own"
            )
        if self.lambda_ > 0 and not self.net.spiking:
            yield f"lambda is {self.lambda_}, but no layer of the net receives spikes; set it to 0"
        if self.distillation > 0 and not self.teacher:
            yield (
                f"distillation is {self.distillation}, but there is no teacher; name a checkpoint, "
                "or set it to 0"
            )
        if self.posterior and self.teacher:
            yield (
                f"teacher is {shown(self.teacher)}, but a mixture of nets learns from none; leave "
                "teacher and distillation out"
            )
        if 0 < self.final_alpha < _LEAST_ALPHA:
            yield f"final_alpha is {self.final_alpha}; it must be 0, or {_LEAST_ALPHA} or more"
        if self.final_alpha and not (isinstance(self.net, NetSpec) and self.net.bumps):
            yield (
                f"final_alpha is {self.final_alpha}, but the net's surrogate has no alpha; set it "
                'to 0, or let the net have spikes or surrogate = "bumps"'
            )
        if self.final_alpha and isinstance(self.net, NetSpec) and self.net.alpha <= 0:
            yield (
                f"final_alpha is {self.final_alpha}, but alpha of the net is {self.net.alpha}; "
                "give one above 0"
            )
        if self.posterior and self.weight_decay > 0:
            yield (
                f"weight_decay is {self.weight_decay}, but the weights of a posterior have a prior "
                "instead; set it to 0"
            )

    def override(
        self,
        epochs: int | None = None,
        seed: int | None = None,
        limit: int | None = None,
        *,
        penalty: Kind | None = None,
        lambda_: float | None = None,
        p: int | None = None,
    ) -> Recipe:
        """Return a copy with other values; None keeps a value.

        Raises
        ------
        InputError
            A value is out of range.
        """
        given = {
            "epochs": epochs,
            "seed": seed,
            "limit": limit,
            "penalty": penalty,
            "lambda_": lambda_,
            "p": p,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        try:
            return replace(self, **changes)  # type: ignore[arg-type]
        except ValueError as error:
            raise InputError(f"the recipe cannot be changed: {error}") from None

    def to_table(self) -> dict[str, Any]:
        """Return the recipe as plain tables, lists, numbers and text."""
        table = {entry_name(name): value for name, value in asdict(self).items()}
        return {**table, "net": self.net.to_table()}


# Replaces a net with faults, so that the rest of its recipe is checked too.
_STAND_IN = NetSpec(input_shape=(1, _MOST, _MOST), classes=1, layers=(ConvSpec(1),))


def read_recipe(table: object, where: str, faults: list[str]) -> Recipe | None:
    """Build a recipe from plain tables; parameters are those of `read_table`."""
    if not isinstance(table, Mapping):
        faults.append(f"{where} is {shown(table)}, expected a table")
        return None
    table = of_today(table)
    net = read_spec(table.get("net"), f"{where}.net", faults)
    whole, named = {**table, "net": net or _STAND_IN}, table.get("posterior")
    posterior = None
    if named is not None:
        posterior = read_table(PosteriorSpec, named, f"{where}.posterior", faults)
    recipe = read_table(Recipe, {**whole, "posterior": posterior}, where, faults)
    return recipe if net and (posterior or named is None) else None


def of_today(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's table with the entries of today, where it has those of older files.

    In these, ``penalty`` was the weight, ``penalty_cost`` the kind and ``penalty_power`` the power.
    """
    today = dict(table)
    if isinstance(table.get("penalty"), int | float):
        today["lambda"] = today.pop("penalty")
    for old, new in (("penalty_cost", "penalty"), ("penalty_power", "p")):
        if old in today:
            today[new] = today.pop(old)
    return today


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with edgespike."""
    return shipped_names(FOLDER)
