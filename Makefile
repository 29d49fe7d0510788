# make demo   train nothing, install the runtimes, run the shipped model on three targets
# make dev    the environment of the tests, with the runtimes
# make engine the C of the cpu target alone, after a change to it
# make quick  lint, types and the tests that matter most, in a minute or so; needs no runtime but LiteRT
# make test   all tests, here and on the other Pythons that are found
# make check-mcu  shipped models and random graphs in C, here and on emulated microcontrollers; JSON names a
#             file of the figures, PAGE a page to put the table into
# make fresh  a minute of conformance on random graphs that no run had before; says how to repeat it
# make check  lint, types and tests
# make docs   this project's pages as a site, in docs/_build/html
# make model  train the shipped models again
# make experiment  MaQD's accuracy against states, normalisation and batch size
# make pruning-experiment  spectral pruning of recurrent networks against its rivals
# make ptq-experiment  float nets quantised after training
# make onnx-experiment  a float net through ONNX, quantised
# make mlperf-experiment  MLPerf Tiny's 8-bit nets on every target; TFLITE_FILES names their folder
# make entropy-experiment  errors of the approximate entropy of mixtures, and their bounds
# make frontier-experiment  float nets, conversions and snnTorch's neurons, counted as baselines of the penalties
# make posterior-experiment  mixture posteriors against an ensemble and one net
# make fuzz   damaged and forged files of every kind against the commands that read them
# make wheel-check  the built wheel in a fresh environment, with the demo
# make bench  speeds and memory, each figure beside its limit; what misses one is no error
#
# TORCH_INDEX  where to look for torch first, e.g. PyTorch's own index of CPU builds
# PYTHON       the interpreter to build the environment from
# SEED         of make fresh; by default another one each time

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INSTALL := $(PIP) install -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
NATIVE := edgespike/targets/cpu/native
ENGINE := $(NATIVE)/_engine.abi3.so
ENGINE_SOURCES := setup.py $(NATIVE)/build.py $(wildcard $(NATIVE)/csrc/*)
OTHER_PYTHONS := 3.10 3.13
# Random graphs of each operation mix in make fresh, so that it takes about a minute on two cores.
FRESH_GRAPHS := 20
SOURCES := edgespike tests examples experiments benchmarks docs
# What most changes can break: what a graph is and what it computes, how it is counted and changed, where
# it comes from, the commands, and the cpu and tflite targets on a few random graphs of each operation
# mix. Left to `make test`: Lava, tflite-runtime, training, experiments, mixtures and pruning, the files
# of a bundle, and tests that start many processes.
QUICK_TESTS := graph passes counting conformance converters nn/layers nn/nets energy show storage targets/cpu \
	targets/tflite/test_engine.py targets/tflite/test_model_file.py targets/tflite/test_plan.py \
	cli/test_bad_input.py cli/test_commands.py cli/test_demo.py cli/test_help.py cli/test_outputs.py \
	report/test_terminal.py $(filter-out test_examples.py,$(notdir $(wildcard tests/test_*.py)))

.PHONY: demo dev engine model experiment pruning-experiment entropy-experiment posterior-experiment \
	ptq-experiment onnx-experiment mlperf-experiment frontier-experiment quick \
	quick-tests check-mcu test test-here fresh test-others $(OTHER_PYTHONS) check lint types docs wheel-check fuzz bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/demo.stamp
	$(BIN)/edgespike demo

dev: $(VENV)/dev.stamp
	$(BIN)/edgespike targets --setup loihi
	$(BIN)/edgespike targets --setup tflite-runtime
	$(BIN)/python -m tests.targets.loihi.lava_dl
	$(BIN)/python -m tests.converters.nir.simulators

engine: $(ENGINE)

test: test-here fresh test-others

test-here: dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# The other tests draw the same graphs in every run.
fresh: dev
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; \
	repeat="to draw the same graphs again: make fresh SEED=$$seed"; \
	echo "conformance on new random graphs; $$repeat"; \
	RANDOM_GRAPHS=$(FRESH_GRAPHS) RANDOM_GRAPHS_ON_LAVA=1 $(BIN)/python -m pytest -q -n $(JOBS) \
	    --dist worksteal --hypothesis-profile=fresh --hypothesis-seed=$$seed tests/conformance \
	    || { echo "conformance failed; $$repeat"; exit 1; }

# The part that needs no torch, on several Pythons at a time. What one says is shown when it ends.
test-others:
	@$(MAKE) --no-print-directory --jobs $(JOBS) --output-sync=target $(OTHER_PYTHONS)

$(OTHER_PYTHONS): $(VENV)/dev.stamp
	@sh tests/on_python.sh $@

quick: $(VENV)/dev.stamp
	@$(MAKE) --no-print-directory --jobs $(JOBS) --output-sync=target lint types quick-tests

quick-tests: $(VENV)/dev.stamp
	RANDOM_GRAPHS=10 $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal \
	    -m "not loihi and not tflite_runtime and not slow" $(addprefix tests/,$(QUICK_TESTS))

check: lint types test

# Needs gcc-arm-none-eabi, gcc-riscv64-unknown-elf and QEMU; cores whose tools are missing are skipped.
check-mcu: $(VENV)/dev.stamp
	$(BIN)/python -m tests.targets.c.check_mcu $(if $(JSON),--json $(JSON)) $(if $(PAGE),--page $(PAGE))

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/dev.stamp
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	$(BIN)/python -m sphinx -W --keep-going -q -j $(JOBS) docs docs/_build/html
	@echo docs/_build/html/index.html

wheel-check: $(VENV)/dev.stamp
	sh tests/wheel_check.sh $(BIN)/python

fuzz: $(VENV)/dev.stamp
	$(BIN)/python -m tests.fuzzing

bench: $(VENV)/bench.stamp
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/cpu_against_snntorch.py
	$(BIN)/python benchmarks/maqd_against_onnxruntime.py
	$(BIN)/python benchmarks/maqd_training_step.py
	$(BIN)/python benchmarks/penalty_training_step.py
	$(BIN)/python benchmarks/recurrent.py
	$(BIN)/python benchmarks/entropy.py
	$(BIN)/python benchmarks/pruning.py
	$(BIN)/python benchmarks/cpu_speed.py
	$(BIN)/python benchmarks/onnx_against_litert.py
	$(BIN)/python benchmarks/bit_flips.py
	$(BIN)/python benchmarks/sweep.py

# Train the shipped models again, or go on with what is in runs/, and write them and their images into
# the package.
model: $(VENV)/dev.stamp
	for name in fashion_s3nn fashion_maqd; do \
	    $(BIN)/edgespike train $$name --resume -o runs/$$name && \
	    $(BIN)/python -m edgespike.models.build $$name runs/$$name || exit 1; done
	$(BIN)/edgespike show edgespike/models/fashion_s3nn.safetensors --svg docs/shipped-model.svg
	$(BIN)/edgespike train fashion_rows_rnn --resume -o runs/fashion_rows_rnn
	$(BIN)/edgespike prune runs/fashion_rows_rnn/model.safetensors --keep 42 \
	    --data fashion_mnist_rows -o runs/fashion_rows_rnn/pruned.safetensors
	$(BIN)/edgespike train fashion_rows_rnn_pruned --resume \
	    --from runs/fashion_rows_rnn/pruned.safetensors -o runs/fashion_rows_rnn_pruned
	$(BIN)/edgespike train fashion_rows_rnn_levels --resume \
	    --from runs/fashion_rows_rnn_pruned/model.safetensors -o runs/fashion_rnn
	$(BIN)/python -m edgespike.models.build fashion_rnn runs/fashion_rnn

# MaQD's accuracy against states, normalisation and batch size; tables and plot in experiments/maqd/results.
experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.maqd.run --full --jobs $(JOBS) --out experiments/maqd/results

# Recurrent networks pruned to a third; tables and plot in experiments/pruning/results, checkpoints in runs/pruning.
pruning-experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.pruning.run --tasks pixels text \
	    --runs runs/pruning --out experiments/pruning/results

# A float ReLU net of Fashion-MNIST, two trainings, quantised in many ways; tables in experiments/ptq/results.
ptq-experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.ptq.run --full --out experiments/ptq/results

# Two trained float nets, exported by torch to ONNX and quantised; a page in experiments/onnx/results.
onnx-experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.onnx.run --full --out experiments/onnx/results

# The README of the experiment says where the files are from.
mlperf-experiment: dev
	$(BIN)/python -m experiments.mlperf_tiny.run $(TFLITE_FILES) --full --out experiments/mlperf_tiny/results/results.md

# Bounds of the approximate entropy, and errors of all approximations; pages in experiments/entropy/results.
entropy-experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.entropy.run --full --out experiments/entropy/results

# Baselines of the penalties; rows and a page in experiments/frontier/results, checkpoints in runs/frontier.
frontier-experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.frontier.baselines --seeds 1..3 --leaky-epochs 3 \
	    --runs runs/frontier --out experiments/frontier/results

# Mixture posteriors against an ensemble and one net; page and plot in experiments/posterior/results.
posterior-experiment: $(VENV)/dev.stamp
	$(BIN)/python -m experiments.posterior.run --full --runs runs/posterior --out experiments/posterior/results

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: pyproject.toml constraints.txt $(ENGINE_SOURCES) | $(VENV)/bin/python
	$(INSTALL) -e ".[demo]"
	touch $@

$(VENV)/installed.stamp: pyproject.toml constraints.txt setup.py | $(VENV)/bin/python
	EDGESPIKE_WITHOUT_ENGINE=1 $(INSTALL) -e ".[dev]"
	touch $@

$(VENV)/dev.stamp: $(VENV)/installed.stamp $(ENGINE)
	touch $@

# An installation goes on where the C does not compile; here that is an error, and no older engine stays.
$(ENGINE): $(ENGINE_SOURCES) | $(VENV)/installed.stamp
	rm -rf $(VENV)/engine $@
	$(BIN)/python setup.py --quiet build_ext --inplace --build-lib $(VENV)/engine --build-temp $(VENV)/engine
	@test -e $@ || { echo "the native engine was not built: no C compiler, or what it says above"; exit 1; }
	touch $@

$(VENV)/bench.stamp: $(VENV)/dev.stamp
	EDGESPIKE_WITHOUT_ENGINE=1 $(INSTALL) -e ".[bench]"
	touch $@

clean:
	rm -rf $(VENV) $(ENGINE) .venv-* build dist *.egg-info docs/_build
