"""What stands in for a checkout of TensorFlow Lite Micro, which is in no package.

Declarations with its names, a Makefile with its targets, and an interpreter that looks its answers
up, so that bundles compile and their checks can be seen to pass and to fail. It wants each state as
it gave it at the step before, and changes what it was given. It says nothing of TensorFlow Lite
Micro itself.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np

from edgespike.targets.tflite.devices.network_files import resolver_method
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.writing.schema import OPERATORS
from tests.targets.c.bundles import tool

WARNINGS = "-Werror -pedantic"

_HEADER = """
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>
#include "NAME-check.h"
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
struct TfLiteTensor { union { char* raw; } data; size_t bytes; };
#ifndef WRONG
#define WRONG 0
#endif
namespace tflite {
inline namespace NAME_stand_in {
struct Model {};
inline const Model* GetModel(const void* bytes) { return static_cast<const Model*>(bytes); }
template <unsigned N> struct MicroMutableOpResolver {
ADDERS
 private:
  unsigned left_ = N;
  TfLiteStatus Add() { return left_-- > 0 ? kTfLiteOk : kTfLiteError; }
};
using Bytes = std::vector<char>;
struct State { int output; Bytes first; };
static const std::vector<State> wanted = {STATES};
constexpr int kRuns = RUNS;
constexpr int kSize = NAME_STEPS * NAME_INPUT_SIZE / kRuns;
class MicroInterpreter {
 public:
  template <typename R>
  MicroInterpreter(const Model*, R&, uint8_t*, size_t arena) : arena_(arena) {
    inputs_.emplace_back(kSize * sizeof(NAME_input));
    outputs_.resize(1 + wanted.size());
    outputs_[0].resize(sizeof(NAME_check_answers[0]));
    for (const State& state : wanted) {
      inputs_.push_back(state.first);
      outputs_[state.output].resize(state.first.size());
    }
  }
  TfLiteStatus AllocateTensors() { return arena_ < 2048 ? kTfLiteError : kTfLiteOk; }
  TfLiteTensor* input(int i) { return See(inputs_[i]); }
  TfLiteTensor* output(int i) { return See(outputs_[i]); }
  size_t arena_used_bytes() const { return 1234; }
  TfLiteStatus Invoke() {
    const int sample = runs_ / kRuns, step = runs_ % kRuns;
    ++runs_;
    const auto* wanted_input = NAME_check_inputs[sample] + step * kSize;
    bool right = std::memcmp(inputs_[0].data(), wanted_input, inputs_[0].size()) == 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const State& state = wanted[i];
      const size_t size = state.first.size();
      right = right && inputs_[i + 1] == (step ? given_[state.output] : state.first);
      outputs_[state.output] = Bytes(size, char(step + state.output + 1));
      inputs_[i + 1] = Bytes(size, 99);
    }
    // The answer may be a state too: a sum, or a potential.
    std::memcpy(outputs_[ANSWER].data(), NAME_check_answers[sample], sizeof(NAME_check_answers[0]));
    outputs_[ANSWER][0] += WRONG && sample == 1;
    given_ = outputs_;
    return right ? kTfLiteOk : kTfLiteError;
  }
 private:
  TfLiteTensor* See(Bytes& bytes) {
    seen_.data.raw = bytes.data();
    seen_.bytes = bytes.size();
    return &seen_;
  }
  size_t arena_;
  int runs_ = 0;
  TfLiteTensor seen_;
  std::vector<Bytes> inputs_, outputs_, given_;
};
}  // namespace NAME_stand_in
}  // namespace tflite
"""

_MAKEFILE = """
list_gendir:
	@echo gen/x_default/
third_party_downloads:
	mkdir -p tensorflow/lite/micro/tools/make/downloads/flatbuffers
microlite:
	mkdir -p gen/x_default/lib
	ar rcs gen/x_default/lib/libtensorflow-microlite.a
"""


def write_stand_in(folder: Path, prefix: str, lowered: Lowered) -> None:
    """Write a checkout for a bundle, ``folder/tflm``."""
    adders = "".join(
        f"  TfLiteStatus {resolver_method(operator)}() {{ return Add(); }}\n"
        for operator in OPERATORS
    )
    text = _HEADER.replace("ADDERS", adders).replace("STATES", _first_states(lowered))
    text = text.replace("RUNS", f"{prefix}_STEPS" if lowered.states else "1")
    text = text.replace("ANSWER", str(lowered.answer)).replace("NAME", prefix)
    source = (folder / "src" / f"{prefix}.cc").read_text()
    for header in re.findall(r'#include "(tensorflow/.*)"', source):
        place = folder / "tflm" / header
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text if "interpreter" in header else "")
    makefile = folder / "tflm" / "tensorflow" / "lite" / "micro" / "tools" / "make" / "Makefile"
    makefile.parent.mkdir(parents=True)
    makefile.write_text(_MAKEFILE)


def make(folder: Path, *arguments: str, fails: bool = False) -> str:
    """Run make in a bundle as a user does, also where a make runs the tests."""
    kept = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    tool("g++")
    done = subprocess.run(
        [tool("make"), "-s", *arguments],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout


def _first_states(lowered: Lowered) -> str:
    """Write each state's index and initial bytes as a C++ initialiser."""
    rows = []
    for state in lowered.states:
        dtype = state.tensor.storage.form.dtype
        content = np.full(state.tensor.shape, state.initial, dtype).view(np.int8).ravel()
        rows.append(f"{{{state.output}, Bytes{{{', '.join(map(str, content))}}}}}")
    return ", ".join(rows)
