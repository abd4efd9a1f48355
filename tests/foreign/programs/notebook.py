"""`jupyter execute` of a notebook that is made here."""
import json
import os
import subprocess
import sys
import tempfile

import nbformat

CELLS = ["import numpy as np\nrows = [np.arange(1000) for _ in range(500)]", "print(sum(int(row.sum()) for row in rows))"]

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "notebook.ipynb")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbformat.write(notebook, path)
    status = subprocess.call([sys.executable, "-m", "jupyter", "execute", "--inplace", path], stderr=subprocess.DEVNULL)
    with open(path, encoding="utf-8") as file:
        outputs = [output.get("text") for cell in json.load(file)["cells"] for output in cell["outputs"]]
print(status, outputs)
