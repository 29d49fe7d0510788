#!/bin/sh
# Run the tests that need no torch on another Python, in one process: on_python.sh VERSION
# What does not depend on the Python is run in full by `make test-here` only: tests marked slow, all
# but a few of the random graphs of each operation mix, and all but a few parameters of each test
# (MOST_PARAMETERS; the first, the last, and some between). An interpreter that is not found is left
# out, and said so.
set -eu
version=$1

find_python() {
    pyenv=${PYENV_ROOT:-$HOME/.pyenv}
    for candidate in "python$version" "$pyenv"/versions/"$version".*/bin/python; do
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    echo "Python $version is not on this machine: its tests are left out"
    exit 0
fi
venv=.venv-$version
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
EDGESPIKE_WITHOUT_ENGINE=1 "$venv/bin/python" -m pip --quiet --disable-pip-version-check install -c constraints.txt -e ".[test]"
"$venv/bin/edgespike" targets --setup loihi
RANDOM_GRAPHS=8 RANDOM_GRAPHS_ON_LAVA=2 MOST_PARAMETERS=4 "$venv/bin/python" -m pytest -m "not torch and not slow"
