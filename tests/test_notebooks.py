"Every notebook as nbdev runs it: the cells without a flag, in a process of its own."
import os, shutil, subprocess, sys
from pathlib import Path
import pytest

root = Path(__file__).parents[1]
notebooks = sorted(
    p.relative_to(root) for p in (root / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)

@pytest.mark.parametrize('notebook', notebooks, ids=lambda p: f'{p.parent.name}/{p.stem}')
def test_notebook(notebook):
    pytest.importorskip('nbdev', reason="nbdev is in the extra `dev`")
    command = str(Path(sys.executable).with_name('nbdev_test'))
    env = {**os.environ, 'MPLBACKEND':'agg', 'OMP_NUM_THREADS':'1', 'MKL_NUM_THREADS':'1'}
    run = subprocess.run(
        [command, '--path', str(notebook), '--n_workers', '0'], cwd=root, env=env, capture_output=True,
        text=True, timeout=600)
    assert run.returncode==0, (run.stdout+run.stderr)[-6000:]
