"""From a recipe to a graph on the command line, on a small task in place of Fashion-MNIST."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from edgespike.graph import load_graph, save_graph
from edgespike.models import shipped_images, shipped_model
from tests.cli.conftest import Cli, Result

pytestmark = pytest.mark.torch

RECIPE = """
epochs = 3
batch_size = 16
learning_rate = 0.01

[net]
input_shape = [1, 8, 8]
classes = 3
activation = "spike"

[[net.layers]]
kind = "conv"
channels = 4
pool = 2
bits = 6

[[net.layers]]
kind = "dense"
features = 8
"""


@pytest.fixture
def train(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a function that trains the recipe into ``run`` with further options."""
    pytest.importorskip("torch")
    from tests.nn.small import striped_task

    module = import_module("edgespike.nn.training.train")
    monkeypatch.setattr(module, "load_task", lambda *_: striped_task())
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(RECIPE)

    def run(*options: object) -> Result:
        return cli("train", "small.toml", "-o", "run", *options)

    return run


def test_a_trained_checkpoint_goes_wherever_a_graph_file_goes(cli: Cli, train: Cli) -> None:
    answer = train("--json")
    assert answer.code == 0
    model = answer.json["model"]
    assert cli("convert", model, "-o", "graph.safetensors").code == 0
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8)))
    for command in (["run"], ["verify", "--targets", "cpu,exact"], ["energy"]):
        trained, graph = (
            cli(*command, path, "-i", "x.npy", "--json") for path in (model, "graph.safetensors")
        )
        assert trained.code == graph.code == 0
        assert trained.json == graph.json
    exported = cli("export", "-t", "cpu", model, "-o", "out", "--json")
    assert exported.json["graph"] == load_graph("graph.safetensors").hash


def test_the_answer_names_the_files_and_the_last_epoch(train: Cli) -> None:
    answer = train("--json").json
    assert Path(answer["model"]).is_file()
    assert Path(answer["log"]).is_file()
    assert answer["last_epoch"]["epoch"] == 3


def test_members_of_a_mixture_are_one_graph_by_the_next_command(cli: Cli, train: Cli) -> None:
    recipe = Path("small.toml")
    posterior = "weight_decay = 0\n[posterior]\nmembers = 2\ntemperature = 0.1\n"
    recipe.write_text(RECIPE.replace("[net]", f"{posterior}[net]"))
    answer = train("--json")
    assert (answer.code, answer.stderr) == (0, "")
    models = answer.json["models"]
    assert models == ["run/member0.safetensors", "run/member1.safetensors"]
    assert cli("ensemble", *models, "-o", "both.safetensors").code == 0
    assert load_graph("both.safetensors").readout_op.members == 2
    assert "member0.safetensors and 1 more: test accuracy" in train("--resume").stdout


def test_components_that_collapse_are_told_in_one_line(
    train: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    posterior = "weight_decay = 0\n[posterior]\nmembers = 2\n"
    Path("small.toml").write_text(RECIPE.replace("[net]", f"{posterior}[net]"))
    monkeypatch.setattr("edgespike.bayes.overlap.MOST_ERROR", -1.0)
    lines = train("--epochs", 1).stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("warning: components collapse")
    assert lines[1].startswith("epoch 1/1  ")


def test_each_epoch_is_one_line_where_there_is_no_terminal(train: Cli) -> None:
    result = train()
    assert result.code == 0
    number, zero = r"\d+\.\d+", "0 k operations at synapses"
    for epoch, line in enumerate(result.stderr.splitlines(), 1):
        pattern = rf"epoch {epoch}/3  loss {number}  accuracy {number}%  {zero}  test accuracy "
        assert re.fullmatch(rf"{pattern}{number}%  {number} s", line)
    assert len(result.stderr.splitlines()) == 3


def test_a_float_net_has_no_operations(train: Cli) -> None:
    Path("small.toml").write_text(RECIPE.replace('"spike"', '"relu"').replace("bits = 6\n", ""))
    result = train("--epochs", 1)
    assert "synaptic operations" not in result.stderr
    log = [json.loads(line) for line in (Path("run") / "training.jsonl").read_text().splitlines()]
    assert log[-1]["train_synaptic_operations"] is None
    assert log[-1]["test_synaptic_operations"] is None
    assert train("--epochs", 1, "--resume").code == 0


def test_options_change_the_recipe(train: Cli) -> None:
    result = train("--epochs", 1, "--limit", 32, "--seed", 5, "--json")
    assert result.json["last_epoch"]["epoch"] == 1
    assert '"seed": 5' in Path(result.json["log"]).read_text()


def test_people_read_the_accuracy(train: Cli) -> None:
    assert "model.safetensors: test accuracy " in train().stdout


def test_a_folder_with_a_run_is_refused_unless_it_goes_on(train: Cli) -> None:
    assert train().code == 0
    again = train()
    assert again.code == 2
    assert again.stderr.startswith("error: ")
    resumed = train("--resume")
    assert (resumed.code, resumed.stderr) == (0, "")


@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_a_folder_in_use_is_refused(train: Cli, options: tuple[str, ...]) -> None:
    from edgespike.nn import load_recipe
    from edgespike.nn.training.run_folder import RunFolder

    folder = RunFolder(Path("run"), load_recipe("small.toml"))
    folder.make()
    with folder.locked():
        result = train(*options)
    assert result.code == 2
    assert "folder run is in use by another training run; wait" in result.stderr
    assert train(*options).code == 0


def test_an_empty_history_is_refused_instead_of_trained_again(train: Cli) -> None:
    from edgespike.nn.nets.checkpoint import TRAINING, read_checkpoint, write_checkpoint

    assert train("--epochs", 1).code == 0
    path = Path("run/checkpoint.safetensors")
    found = read_checkpoint(path, TRAINING)
    write_checkpoint(path, TRAINING, found.tensors, {**found.description, "history": []})
    result = train("--epochs", 1, "--resume")
    assert result.code == 2
    assert "run/checkpoint.safetensors does not hold the state of this run: its" in result.stderr


def test_to_resume_what_was_never_begun_is_told(train: Cli) -> None:
    result = train("--resume", "--epochs", 1)
    told, epoch = result.stderr.splitlines()
    assert (result.code, told) == (
        0,
        "run holds no run to resume; training starts with the first epoch",
    )
    assert epoch.startswith("epoch 1/1  ")


def test_a_folder_that_cannot_be_made_is_told_before_data_is_read(
    cli: Cli, train: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("edgespike.nn.training.train"), "load_task", None)
    Path("file").touch()
    result = cli("train", "small.toml", "-o", "file/run")
    assert result.code == 2
    assert "cannot write file/run: Not a directory" in result.stderr


def test_a_run_does_not_overwrite_the_net_that_it_starts_from(train: Cli) -> None:
    assert train("--epochs", 1).code == 0
    Path("run/checkpoint.safetensors").unlink()
    trained = Path("run/model.safetensors").read_bytes()
    again = train("--from", "run/model.safetensors")
    assert again.code == 2
    assert "is read, and the run would write model.safetensors in run" in again.stderr
    assert Path("run/model.safetensors").read_bytes() == trained


def test_a_run_does_not_overwrite_its_recipe(cli: Cli, train: Cli) -> None:
    Path("run").mkdir()
    Path("run/training.jsonl").write_text(RECIPE)
    result = cli("train", "run/training.jsonl", "-o", "run")
    assert result.code == 2
    assert "run/training.jsonl is read, and the run would write training.jsonl" in result.stderr
    assert Path("run/training.jsonl").read_text() == RECIPE


def test_convert_compares_the_neurons_of_a_checkpoint_with_the_graph(
    cli: Cli, tmp_path: Path
) -> None:
    model = Path(__file__).parents[2] / "examples" / "checkpoints" / "fashion_s3nn.safetensors"
    np.save(tmp_path / "x.npy", shipped_images()[0][:20])
    arguments = ("convert", model, "-o", tmp_path / "g.safetensors", "--check", tmp_path / "x.npy")
    result = cli(*arguments, "--json")
    layers = result.json["check"]
    assert result.code == 0
    assert [layer["node"] for layer in layers] == ["pool1", "pool2", "pool3", "spikes4"]
    assert all(layer["neurons"] > layer["near_ties"] for layer in layers)
    assert all(layer["unexplained"] == 0 for layer in layers)
    assert "of these not near" in cli(*arguments, "--force", "--samples", 2).stdout


def test_only_a_checkpoint_has_neurons_of_its_own(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", shipped_images()[0][:2])
    save_graph(shipped_model(), tmp_path / "graph.safetensors")
    result = cli(
        "convert",
        tmp_path / "graph.safetensors",
        *("-o", tmp_path / "again.safetensors", "--check", tmp_path / "x.npy"),
    )
    assert result.code == 2
    assert "name a file that 'edgespike train' wrote" in result.stderr
    assert not (tmp_path / "again.safetensors").exists()


def test_a_number_of_samples_without_any_is_no_comparison(cli: Cli, tmp_path: Path) -> None:
    save_graph(shipped_model(), tmp_path / "graph.safetensors")
    result = cli(
        *("convert", tmp_path / "graph.safetensors"),
        *("-o", tmp_path / "again.safetensors", "--samples", 2),
    )
    assert result.code == 2
    assert "give --check X.npy too" in result.stderr


def narrow_recipe(bits: int) -> str:
    """A first layer of many channels: one of them has sums beyond Loihi's accumulator."""
    return RECIPE.replace("channels = 4", "channels = 48").replace("bits = 6", f"bits = {bits}")


def test_a_net_that_would_not_fit_a_target_is_refused_before_training(train: Cli) -> None:
    Path("small.toml").write_text(narrow_recipe(8))
    answer = train("--for", "loihi", "--for", "cpu")
    assert answer.code == 2
    assert "loihi: with random weights, spikes1 (threshold): its accumulator" in answer.stderr
    assert "the limit is +-131071" in answer.stderr
    assert "in net.layers[0], bits=6 is small enough for any weights" in answer.stderr
    assert not Path("run").exists()


def test_a_net_that_would_not_fit_a_target_is_a_warning_where_none_is_named(train: Cli) -> None:
    Path("small.toml").write_text(narrow_recipe(8))
    answer = train("--epochs", 1)
    assert answer.code == 0
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("warning")]
    assert "loihi would refuse the net, already with random weights: spikes1" in line
    assert "bits=6" in line


def test_a_net_that_may_not_fit_is_trained_with_a_warning(train: Cli) -> None:
    Path("small.toml").write_text(narrow_recipe(7))
    answer = train("--epochs", 1, "--for", "loihi")
    assert answer.code == 0
    assert (
        "warning: the trained net may not fit loihi, if its weights are large: sp" in answer.stderr
    )
    assert "bits=6" in answer.stderr


def test_a_net_that_fits_is_trained_without_a_word(train: Cli) -> None:
    answer = train("--epochs", 1, "--for", "loihi")
    assert answer.code == 0
    assert "warning" not in answer.stderr
    assert "warning" not in train("--epochs", 3, "-o", "other").stderr


def test_a_float_net_fits_no_target(cli: Cli) -> None:
    answer = cli("train", "fashion_relu", "-o", "run", "--for", "tflite")
    assert answer.code == 2
    assert "tflite: activation is 'relu', a net of floats" in answer.stderr


@pytest.fixture
def own(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a function that trains on images of one's own in ``data`` by a recipe for them."""
    pytest.importorskip("torch")
    from tests.nn.training.test_own_data import IMAGES, write_images

    monkeypatch.chdir(tmp_path)
    Path("images.toml").write_text(IMAGES)
    write_images(Path("data"))

    def run(*options: object) -> Result:
        return cli("train", "images.toml", "-o", "run", "--data", "data", *options)

    return run


def test_data_of_ones_own_becomes_a_net_that_other_commands_take(cli: Cli, own: Cli) -> None:
    answer = own("--epochs", 2)
    assert answer.code == 0
    for number, line in enumerate(answer.stderr.splitlines()[-2:], 1):
        assert re.match(rf"epoch {number}/2  loss .* validation accuracy .*  test accuracy", line)
    lines = answer.stdout.splitlines()
    assert len(lines) < 15
    assert lines[0].startswith("run/model.safetensors: test accuracy ")
    assert lines[1].startswith("validation accuracy ")
    commands = [line.removeprefix("next:").split() for line in lines if " edgespike " in line]
    assert [command[1] for command in commands] == ["verify", "run"]
    for command in commands:
        assert cli(*command[1:], "--limit", 5).code == 0
    graph = cli("convert", "run/model.safetensors", "-o", "graph.safetensors", "--json")
    assert graph.code == 0
    assert load_graph("graph.safetensors").class_names == ("flat", "upright", "neither")


def test_files_of_a_run_are_named_in_json(own: Cli) -> None:
    files = own("--epochs", 1, "--json").json["files"]
    assert "run/test.npy" in files
    assert all(Path(name).is_file() for name in files)


def test_a_run_on_other_data_is_not_resumed(own: Cli) -> None:
    assert own("--epochs", 1).code == 0
    assert own("--epochs", 1, "--resume").code == 0
    labels = np.load("data/labels.npy")
    np.save("data/labels.npy", (labels + 1) % 3)
    again = own("--epochs", 1, "--resume")
    assert again.code == 2
    assert "the run in run was trained on other data (its SHA-256 was" in again.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--limit", 1000), "the limit is 1,000 samples, the data has 66 for training"),
        (("--size", "8x"), "--size is '8x'; give height and width, such as 28x28"),
        (("--data", "nowhere"), "there is no nowhere"),
        (("--data", "mnist", "--window", 4), "window is for data of one's own, and mnist is a kno"),
        (("--seed", -1), "seed is -1; it must be 0 to"),
    ],
)
def test_what_does_not_fit_the_data_is_told_before_a_folder_is_made(
    own: Cli, options: tuple[object, ...], said: str
) -> None:
    answer = own(*options)
    assert answer.code == 2
    assert said in answer.stderr
    assert not Path("run").exists()


def test_a_folder_with_a_run_is_told_before_the_data_is_read(own: Cli) -> None:
    assert own("--epochs", 1).code == 0
    again = own("--data", "nowhere")
    assert again.code == 2
    assert "folder run holds a training run; resume it" in again.stderr


def test_windows_longer_than_the_recordings_are_told(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from tests.nn.training.test_own_data import write_recording

    monkeypatch.chdir(tmp_path)
    write_recording(Path("waves.csv"))
    options = ("--data", "waves.csv", "--window", 500, "--group", "person")
    answer = cli("train", "sequences_rnn", "-o", "run", *options)
    assert answer.code == 2
    assert "500" in answer.stderr
    assert not Path("run").exists()


def test_a_recipe_for_data_of_ones_own_asks_for_it(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    answer = cli("train", "images_s3nn", "-o", tmp_path / "run")
    assert answer.code == 2
    assert "is for data of one's own, and names none; give --data PATH" in answer.stderr
