"""The programs of the documents, the notebook and the example."""

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Programs that need a cluster say so.
PARTIAL = "# This is a part of a program"


def programs(document):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return [block for block in blocks if not block.startswith(PARTIAL)]


@pytest.mark.parametrize("document", ["README.md", "python/README.md", "docs/src/python.md"])
def test_programs_of_documents_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [block for block in programs(document) if "import lazy_chunks" in block]
    assert found
    for block in found:
        if "sys.modules" not in block:
            exec(compile(block, document, "exec"), {"__name__": "__main__"})


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "python/examples")
    notebook = json.loads((ROOT / "python/examples/kernel.ipynb").read_text())
    names = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "kernel.ipynb", "exec"), names)
            assert cell["outputs"] == [], "outputs are not committed"
    assert names["array"].shape == (1797, 1797)


def test_the_example_finds_wrong_labels(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "python/examples/influence.py"), run_name="__main__")
    found = re.search(r"(\d+) of the 70 digits", capsys.readouterr().out)
    assert int(found[1]) > 50
