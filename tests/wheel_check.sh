#!/bin/sh
# Build the sdist, from it the wheel, install that into a fresh environment, and run the demo there, far
# from the source and without a C compiler: wheel_check.sh PYTHON. Then the same of a wheel that was built
# without a compiler, but for the demo. PYTHON has build; twine, the extra demo and Lava are downloaded.
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
tree=$(pwd)
work=$(mktemp -d)
everything=$PATH
trap 'PATH=$everything; rm -rf "$work"' EXIT
unset PYTHONPATH

mkdir "$work/tree" "$work/empty"
git ls-files -z | xargs -0 cp -a --parents -t "$work/tree"
"$python" -m build --no-isolation --outdir "$work/dist" "$work/tree" >"$work/build.log" 2>&1 || {
    tail -n 20 "$work/build.log"
    exit 1
}
"$python" -m venv "$work/tools"
"$work/tools/bin/pip" --quiet --disable-pip-version-check install -c "$tree/constraints.txt" twine
"$work/tools/bin/twine" check --strict "$work"/dist/*

"$python" -m venv "$work/venv"
before=$(du -sm "$work/venv" | cut -f1)
started=$(date +%s)
"$work/venv/bin/pip" --quiet --disable-pip-version-check install -c "$tree/constraints.txt" \
    "$(echo "$work"/dist/*.whl)[demo]"
echo "installed in $(($(date +%s) - started)) s, $(($(du -sm "$work/venv" | cut -f1) - before)) MB"

cd "$work/empty"
export HOME="$work/empty" XDG_CACHE_HOME="$work/cache"
edgespike="$work/venv/bin/edgespike"
why_missing="from edgespike.targets.cpu.native import library; print(library.missing())"
PATH="$work/venv/bin"
why=$(python -c "$why_missing")
[ -z "$why" ] || {
    echo "in the environment of the wheel, $why"
    exit 1
}
"$edgespike" --version
"$edgespike" --help >/dev/null
completed=$(COMP_WORDS="edgespike ver" COMP_CWORD=1 _EDGESPIKE_COMPLETE=complete_bash "$edgespike")
[ "$completed" = verify ] || {
    echo "'edgespike ver' is completed to '$completed', not to 'verify'"
    exit 1
}
"$edgespike" demo
"$edgespike" demo --files shipped >/dev/null
"$edgespike" energy shipped/model.safetensors -i shipped/images.npy --limit 20 --html page.html >/dev/null
"$edgespike" verify shipped/model.safetensors -i shipped/images.npy --limit 20 -t cpu
test -s page.html
PATH=$everything

CC=/bin/false "$python" -m build --wheel --no-isolation --outdir "$work/without" "$work/tree" \
    >"$work/build.log" 2>&1 || {
    tail -n 20 "$work/build.log"
    exit 1
}
"$python" -m venv "$work/other"
"$work/other/bin/pip" --quiet --disable-pip-version-check install -c "$tree/constraints.txt" \
    "$work"/without/*.whl
why=$("$work/other/bin/python" -c "$why_missing")
case $why in
"the native engine was not built"*) ;;
*)
    echo "built without a compiler, but the engine is not said to be missing: '$why'"
    exit 1
    ;;
esac
"$work/other/bin/edgespike" verify shipped/model.safetensors -i shipped/images.npy --limit 20 -t cpu
echo "the wheel works in a fresh environment, and so does one without the native engine"
